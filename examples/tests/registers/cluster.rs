//! A server that keeps Leases by the rules of Kubernetes' API server: those that are documented, and of updates those of its source, by
//! which a Lease that is not there is created, unless the update names a `uid`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::door::{Asked, Rules};

/// The only namespace.
pub(crate) const NAMESPACE: &str = "default";

pub(crate) struct Cluster {
    kept: Mutex<Kept>,
    /// The token that is asked for; none, as behind `kubectl proxy`.
    pub(crate) token: Mutex<Option<String>>,
    /// What the service account may do.
    pub(crate) verbs: Mutex<Vec<&'static str>>,
    /// How many Leases it has listed.
    pub(crate) listed: AtomicUsize,
}

#[derive(Default)]
struct Kept {
    /// One number for all objects, as etcd has it.
    revision: u64,
    leases: BTreeMap<String, Value>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let verbs = Mutex::new(vec!["get", "list", "create", "update"]);
        Self { kept: Mutex::default(), token: Mutex::default(), verbs, listed: AtomicUsize::new(0) }
    }

    /// A Lease as `kubectl` shows it.
    pub(crate) fn lease(&self, name: &str) -> Option<Value> {
        self.kept.lock().unwrap().leases.get(name).cloned()
    }

    /// What somebody else writes, as `kubectl edit` does.
    pub(crate) fn edit(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut kept = self.kept.lock().unwrap();
        let mut lease = kept.leases.get(name).cloned().unwrap_or_else(|| json!({"metadata": {"name": name}}));
        edit(&mut lease);
        kept.keep(name, lease);
    }

    /// `kubectl delete`.
    pub(crate) fn delete(&self, name: &str) {
        assert!(self.kept.lock().unwrap().leases.remove(name).is_some(), "{name}");
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.kept.lock().unwrap().leases.keys().cloned().collect()
    }
}

impl Kept {
    /// With the revision of this write, and a `uid` if it is a new one.
    fn keep(&mut self, name: &str, mut lease: Value) -> Value {
        self.revision += 1;
        let uid = self.leases.get(name).map(|lease| lease["metadata"]["uid"].clone());
        lease["metadata"]["uid"] = uid.unwrap_or_else(|| format!("uid-{}", self.revision).into());
        lease["metadata"]["resourceVersion"] = self.revision.to_string().into();
        lease["metadata"]["namespace"] = NAMESPACE.into();
        self.leases.insert(name.to_owned(), lease.clone());
        lease
    }

    fn create(&mut self, name: &str, mut lease: Value, dry: bool) -> (u16, Value) {
        if lease["metadata"]["resourceVersion"].is_string() {
            return status(400, "BadRequest", name, "resourceVersion should not be set on objects to be created");
        }
        if self.leases.contains_key(name) {
            let message = format!("leases.coordination.k8s.io {name:?} already exists");
            return status(409, "AlreadyExists", name, &message);
        }
        if dry {
            lease["metadata"]["uid"] = "dry".into();
            return (201, lease);
        }
        (201, self.keep(name, lease))
    }

    fn update(&mut self, name: &str, mut lease: Value, dry: bool) -> (u16, Value) {
        let conflict = |why: &str| {
            let message = format!("Operation cannot be fulfilled on leases.coordination.k8s.io {name:?}: {why}");
            status(409, "Conflict", name, &message)
        };
        let new = lease["metadata"].clone();
        let old = self.leases.get(name).map(|lease| lease["metadata"].clone());
        if new["uid"].is_string() && Some(&new["uid"]) != old.as_ref().map(|old| &old["uid"]) {
            return conflict("Precondition failed: UID in precondition");
        }
        let Some(old) = old else {
            // Whatever version it says.
            lease["metadata"]["resourceVersion"] = Value::Null;
            return self.create(name, lease, dry);
        };
        let Some(version) = new["resourceVersion"].as_str() else {
            return status(422, "Invalid", name, "metadata.resourceVersion: must be specified for an update");
        };
        if old["resourceVersion"] != version {
            return conflict("the object has been modified; please apply your changes to the latest version");
        }
        (200, if dry { lease } else { self.keep(name, lease) })
    }
}

impl Rules for Cluster {
    fn operation(&self, asked: &Asked) -> String {
        asked.method.clone()
    }

    fn answer(&self, asked: &Asked) -> (u16, Value) {
        if let Some(token) = &*self.token.lock().unwrap()
            && asked.header("authorization") != Some(&format!("Bearer {token}"))
        {
            return status(401, "Unauthorized", "", "Unauthorized");
        }
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let parts: Vec<_> = path.split('/').collect();
        let ["", "apis", "coordination.k8s.io", "v1", "namespaces", namespace, "leases", rest @ ..] = &parts[..] else {
            return (404, Value::String("404 page not found".into()));
        };
        let (verb, name) = match (asked.method.as_str(), rest) {
            ("GET", []) => ("list", String::new()),
            ("POST", []) => ("create", asked.json()["metadata"]["name"].as_str().unwrap_or_default().to_owned()),
            ("GET", [name]) => ("get", (*name).to_owned()),
            ("PUT", [name]) => ("update", (*name).to_owned()),
            _ => return status(405, "MethodNotAllowed", "", "the server does not allow this method"),
        };
        if !self.verbs.lock().unwrap().contains(&verb) {
            let user = "User \"system:serviceaccount:default:reports\"";
            let message = format!(
                "leases.coordination.k8s.io {name:?} is forbidden: {user} cannot {verb} resource \"leases\" in API group \
                 \"coordination.k8s.io\" in the namespace {namespace:?}"
            );
            return status(403, "Forbidden", &name, &message);
        }
        let mut kept = self.kept.lock().unwrap();
        match verb {
            "list" => {
                let selected = |lease: &&Value| {
                    let label =
                        lease["metadata"]["labels"]["app.kubernetes.io/managed-by"].as_str().unwrap_or_default();
                    query == format!("labelSelector=app.kubernetes.io%2Fmanaged-by%3D{label}") || query.is_empty()
                };
                let items: Vec<_> = kept.leases.values().filter(selected).collect();
                self.listed.fetch_add(items.len(), Ordering::SeqCst);
                (200, json!({"kind": "LeaseList", "items": items}))
            }
            "get" => match kept.leases.get(&name) {
                Some(lease) => (200, lease.clone()),
                None => status(404, "NotFound", &name, &format!("leases.coordination.k8s.io {name:?} not found")),
            },
            "create" if *namespace != NAMESPACE => {
                let (code, mut said) =
                    status(404, "NotFound", namespace, &format!("namespaces {namespace:?} not found"));
                said["details"]["kind"] = "namespaces".into();
                (code, said)
            }
            _ => {
                let lease = asked.json();
                if let Err(problem) = valid(&lease, &name) {
                    return status(422, "Invalid", &name, &format!("Lease {name:?} is invalid: {problem}"));
                }
                let dry = query == "dryRun=All";
                if verb == "create" { kept.create(&name, lease, dry) } else { kept.update(&name, lease, dry) }
            }
        }
    }
}

/// What the API server says of itself.
fn status(code: u16, reason: &str, name: &str, message: &str) -> (u16, Value) {
    let details = json!({"name": name, "group": "coordination.k8s.io", "kind": "leases"});
    (
        code,
        json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message, "details": details}),
    )
}

/// Whether it is a Lease that the API server takes, under this name.
fn valid(lease: &Value, name: &str) -> Result<(), String> {
    let [metadata, spec] = ["metadata", "spec"].map(|part| &lease[part]);
    if lease["apiVersion"] != "coordination.k8s.io/v1" || lease["kind"] != "Lease" || metadata["name"] != name {
        return Err("apiVersion, kind or name".into());
    }
    if !is_subdomain(name) {
        return Err("metadata.name: a lowercase RFC 1123 subdomain".into());
    }
    for texts in ["labels", "annotations"] {
        if metadata[texts].as_object().into_iter().flatten().any(|(_, text)| !text.is_string()) {
            return Err(format!("metadata.{texts}: texts"));
        }
    }
    for (number, least) in [("leaseDurationSeconds", 1), ("leaseTransitions", 0)] {
        let fits = |value: &Value| value.as_i64().is_some_and(|value| value >= least && i32::try_from(value).is_ok());
        if !spec[number].is_null() && !fits(&spec[number]) {
            return Err(format!("spec.{number}: at least {least}, in 32 bits"));
        }
    }
    for time in ["acquireTime", "renewTime"] {
        // Six digits, as Go's layout asks for.
        let shape =
            |text: &str| text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
        let fits = |text: &str| -> bool {
            let shape: String = shape(text);
            shape == "0000-00-00T00:00:00.000000Z"
        };
        if !spec[time].is_null() && !spec[time].as_str().is_some_and(fits) {
            return Err(format!("spec.{time}: a time in microseconds"));
        }
    }
    Ok(())
}

/// As the API server's own pattern has it.
pub(crate) fn is_subdomain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let ends = bytes.first().zip(bytes.last()).is_some_and(|(first, last)| plain(*first) && plain(*last));
        ends && bytes.iter().all(|byte| plain(*byte) || *byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}
