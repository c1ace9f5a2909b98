//! Registers that are the Leases of a namespace of Kubernetes. No real cluster has run it yet: only the server of its tests has, which
//! keeps what is documented of `resourceVersion`, and what the API server's own source says of `uid`.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use lessor::storage::List;
use lessor::storage::registers::{Registers, Stored, Swap};
use lessor::{Key, StorageError, async_trait};
use serde_json::{Value, json};
use ureq::http::Request;
use ureq::tls::{PemItem, RootCerts, parse_pem};

use crate::http::Client;
use crate::lease::{API, Revision, key, lease, revision, stored};
use crate::lease_name::lease_name;

/// Where a pod finds what its service account has.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The Leases of a namespace.
#[derive(Debug)]
pub(crate) struct Leases {
    client: Client,
    url: String,
    /// Where the token is. It is read for each request: it is replaced once in a while.
    token: Option<PathBuf>,
}

impl Leases {
    /// Of this API server, in this namespace.
    pub(crate) fn new(api: &str, namespace: &str, token: Option<PathBuf>, roots: RootCerts) -> Self {
        let url = format!("{}/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases", api.trim_end_matches('/'));
        Self { client: Client::new(api, roots), url, token }
    }

    /// Of the cluster in which this is a pod.
    pub(crate) fn in_cluster() -> Result<Self, Box<dyn Error>> {
        let hint =
            |_| "this is no pod: run kubectl proxy, and set KUBERNETES_API to what it says, http://127.0.0.1:8001";
        let (host, port) = (env::var("KUBERNETES_SERVICE_HOST").map_err(hint)?, env::var("KUBERNETES_SERVICE_PORT")?);
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let account = Path::new(ACCOUNT);
        let mut roots = Vec::new();
        for item in parse_pem(&fs::read(account.join("ca.crt"))?) {
            if let PemItem::Certificate(root) = item? {
                roots.push(root);
            }
        }
        let namespace = fs::read_to_string(account.join("namespace"))?;
        let (api, token) = (format!("https://{host}:{port}"), Some(account.join("token")));
        Ok(Self::new(&api, namespace.trim(), token, RootCerts::new_with_certs(&roots)))
    }

    async fn send(&self, method: &str, url: &str, body: Option<&Value>) -> Result<(u16, Value), StorageError> {
        let mut request = Request::builder().method(method).uri(url);
        if let Some(token) = &self.token {
            let read = smol::fs::read_to_string(token).await;
            let token = read.map_err(|error| StorageError::permanent(format!("{}: {error}", token.display())))?;
            request = request.header("authorization", format!("Bearer {}", token.trim()));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(Value::to_string);
        self.client.send(request.body(body).map_err(StorageError::permanent)?).await
    }

    /// Answers the Lease as it is written. `None`: there is one already; or another write was faster; or it is gone.
    async fn write(&self, method: &str, url: &str, lease: &Value) -> Result<Option<Value>, StorageError> {
        match self.send(method, url, Some(lease)).await? {
            (200 | 201, lease) => Ok(Some(lease)),
            (409, _) => Ok(None),
            (404, said) if is_missing(&said, &lease["metadata"]["name"]) => Ok(None),
            (status, said) => Err(refused(status, &said)),
        }
    }

    fn url_of(&self, key: &Key) -> String {
        format!("{}/{}", self.url, lease_name(key))
    }
}

#[async_trait]
impl Registers for Leases {
    type Revision = Revision;

    fn name(&self) -> &str {
        &self.url
    }

    async fn read(&self, key: &Key) -> Result<Option<Stored<Revision>>, StorageError> {
        match self.send("GET", &self.url_of(key), None).await? {
            (200, lease) => stored(&lease).map(Some),
            (404, said) if is_missing(&said, &lease_name(key).into()) => Ok(None),
            (status, said) => Err(refused(status, &said)),
        }
    }

    async fn swap(&self, swap: &Swap<Revision>) -> Result<Option<Revision>, StorageError> {
        let written = match &swap.expected {
            None => self.write("POST", &self.url, &lease(swap)?).await?,
            Some(_) => self.write("PUT", &self.url_of(&swap.key), &lease(swap)?).await?,
        };
        written.as_ref().map(revision).transpose()
    }

    /// All of them in one answer: it is for people, not for a loop.
    async fn list(&self, list: &List) -> Result<Vec<(Key, Stored<Revision>)>, StorageError> {
        let url = format!("{}?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dlessor", self.url);
        let (status, said) = self.send("GET", &url, None).await?;
        let leases = said["items"].as_array().filter(|_| status == 200).ok_or_else(|| refused(status, &said))?;
        let mut listed = Vec::new();
        for lease in leases {
            if let Some(key) = key(lease).filter(|key| key.as_str().starts_with(&list.prefix)) {
                listed.push((key, stored(lease)?));
            }
        }
        listed.sort_unstable_by(|(one, _), (another, _)| one.cmp(another));
        Ok(listed)
    }

    /// Asks for what candidates do, and leaves nothing behind: for a Lease, for its creation, and for an update that cannot be.
    async fn check(&self) -> Result<(), StorageError> {
        let probe = Key::new("lessor-check").map_err(StorageError::permanent)?;
        self.read(&probe).await?;
        let mut lease = json!({"apiVersion": API, "kind": "Lease", "metadata": {"name": lease_name(&probe)}});
        self.write("POST", &format!("{}?dryRun=All", self.url), &lease).await?;
        lease["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000".into();
        lease["metadata"]["resourceVersion"] = "1".into();
        match self.write("PUT", &format!("{}?dryRun=All", self.url_of(&probe)), &lease).await? {
            None => Ok(()),
            Some(_) => {
                Err(StorageError::permanent("this server updates a Lease that it does not have: two would lead"))
            }
        }
    }
}

/// That there is no Lease of this name; and not that there is no namespace, or no API at this URL.
fn is_missing(said: &Value, name: &Value) -> bool {
    said["details"]["kind"] == "leases" && said["details"]["name"] == *name
}

/// What the API server said, and what to do about it.
fn refused(status: u16, said: &Value) -> StorageError {
    let message = said["message"].as_str().unwrap_or("nothing that an API server says");
    let advice = match status {
        401 => ": check the token",
        403 => ": give the service account the Role that is shown in kubernetes.rs",
        404 => ": check the URL and the namespace",
        _ => "",
    };
    let error = format!("Kubernetes says: {message} ({status}){advice}");
    if status == 429 || status >= 500 { StorageError::transient(error) } else { StorageError::permanent(error) }
}
