//! A service with a certificate of a private authority, and clients that are told to trust that.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use futures::StreamExt as _;
use lessor::{Builder, Key, Storage as _};
use lessor_http::HttpStorage;
use lessor_served::{CANDIDATE, READER};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::running::{Running, with};

struct Place {
    folder: tempfile::TempDir,
    authority: String,
}

impl Place {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

fn start() -> (Running, Place) {
    let mut of_authority = CertificateParams::new(Vec::new()).unwrap();
    of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(of_authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &authority).unwrap();
    let place = Place { folder: tempfile::tempdir().unwrap(), authority: authority.pem() };
    let [of_server, its_key, of_authority] = ["server.crt", "server.key", "ca.crt"].map(|name| place.path(name));
    fs::write(&of_server, certificate.pem()).unwrap();
    fs::write(&its_key, key.serialize_pem()).unwrap();
    fs::write(&of_authority, &place.authority).unwrap();
    (Running::start(with(&["--tls-cert", &of_server, "--tls-key", &its_key])), place)
}

/// Requests and the socket.
#[test]
fn requests_and_wakeups_trust_an_authority() {
    let (running, place) = start();
    let storage = |token: &str| {
        let builder = HttpStorage::builder(running.url()).token(token);
        builder.root_certificates(place.authority.clone()).build().unwrap()
    };
    let (said, woken) = channel();
    let reads = storage(READER);
    let mut wakeups = reads.subscribe(&Key::new("led").unwrap());
    thread::spawn(move || {
        while smol::block_on(wakeups.next()).is_some() {
            if said.send(()).is_err() {
                return;
            }
        }
    });
    let patience = Duration::from_secs(30);
    woken.recv_timeout(patience).expect("it is watched for the first time");
    let (candidate, driver) = Builder::new("led").id("a").build(storage(CANDIDATE)).unwrap();
    smol::spawn(driver.run()).detach();
    smol::block_on(candidate.elected()).unwrap();
    woken.recv_timeout(patience).expect("it was granted");
    smol::block_on(candidate.shutdown()).unwrap();
    let error = HttpStorage::builder(running.url()).token(READER).build().unwrap();
    let error = smol::block_on(error.check()).unwrap_err().to_string();
    assert!(error.contains("?cacert=FILE"), "{error}");
}

/// The program itself, by what stands behind the URL.
#[test]
fn the_program_trusts_an_authority() {
    let (running, place) = start();
    fs::write(place.path("token"), format!("{READER}\n")).unwrap();
    let list = |query: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lessor"));
        command.args(["list", "--output", "json"]).env("LESSOR_STORAGE", format!("{}?{query}", running.url()));
        let output = command.stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (token, authority) = (place.path("token"), place.path("ca.crt"));
    let (code, said) = list(&format!("token_file={token}&cacert={authority}"));
    assert!(code == Some(0) && said.contains("\"keys\":[]"), "{code:?} {said}");
    let (code, said) = list(&format!("token_file={token}"));
    assert!(code == Some(123) && said.contains("?cacert=FILE"), "{code:?} {said}");
    let (code, said) = list(&format!("cacert={authority}"));
    assert!(code == Some(120) && said.contains("token_file"), "{code:?} {said}");
}
