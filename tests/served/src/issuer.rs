//! Somebody who signs tokens, and serves the keys to verify them.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256};
use ring::{hmac, rsa};
use serde_json::{Value, json};

/// In base64url.
pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// By the clock of this machine, which the service has, too.
#[allow(clippy::disallowed_methods, reason = "tokens end by the calendar")]
pub fn now_s() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs_f64()
}

/// What node says to this: ring makes no keys of RSA, and takes no short ones.
fn node(expression: &str) -> String {
    let script = format!("const crypto = require('crypto'); console.log({expression})");
    let said = Command::new("node").args(["-e", &script]).output().expect("node is installed");
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// A key of RSA that is too short to be safe, and these parts with its signature.
pub fn short_rsa(kid: &str, claims: &str) -> (Value, String) {
    let signed = format!("{}.{}", encoded(json!({"alg": "RS256", "kid": kid}).to_string()), encoded(claims));
    let said = node(&format!(
        "(({{publicKey, privateKey}}) => JSON.stringify([publicKey.export({{format: 'jwk'}}),
            crypto.sign('sha256', '{signed}', privateKey).toString('base64url')]))
            (crypto.generateKeyPairSync('rsa', {{modulusLength: 1024}}))"
    ));
    let mut said: Value = serde_json::from_str(&said).unwrap();
    said[0]["kid"] = kid.into();
    (said[0].clone(), format!("{signed}.{}", said[1].as_str().unwrap()))
}

/// A pair of keys, and how it signs.
pub enum Pair {
    /// For RS256.
    Rsa(rsa::KeyPair),
    /// For ES256.
    Ec(EcdsaKeyPair),
    /// For EdDSA.
    Ed(Ed25519KeyPair),
}

impl Pair {
    /// Rsa.
    pub fn rsa() -> Self {
        let pkcs8 = node(
            "crypto.generateKeyPairSync('rsa', {modulusLength: 2048}).privateKey
                .export({type: 'pkcs8', format: 'der'}).toString('base64')",
        );
        Self::Rsa(rsa::KeyPair::from_pkcs8(&STANDARD.decode(pkcs8).unwrap()).unwrap())
    }

    /// Ec.
    pub fn ec() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap())
    }

    /// Ed.
    pub fn ed() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    /// Alg.
    pub fn alg(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
        }
    }

    /// What everybody may know (RFC 7517).
    pub fn public(&self, kid: &str) -> Value {
        let mut key = match self {
            Self::Rsa(pair) => {
                let rsa::PublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({"kty": "RSA", "n": encoded(n), "e": encoded(e)})
            }
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encoded(&point[1..33]), "y": encoded(&point[33..])})
            }
            Self::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key())}),
        };
        key["kid"] = kid.into();
        key["use"] = "sig".into();
        key["alg"] = self.alg().into();
        key
    }

    /// These parts with their signature.
    pub fn sign_parts(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
            Self::Ec(pair) => pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", encoded(signature))
    }

    /// Sign.
    pub fn sign(&self, kid: &str, claims: &Value) -> String {
        self.sign_parts(&json!({"alg": self.alg(), "kid": kid, "typ": "JWT"}).to_string(), &claims.to_string())
    }
}

/// With a secret that both sides know: where what verifies is public, everybody's.
pub fn with_secret(secret: &[u8], header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    format!("{signed}.{}", encoded(hmac::sign(&key, signed.as_bytes())))
}

/// One of each kind, made once.
pub fn pairs() -> &'static [Pair; 3] {
    static PAIRS: OnceLock<[Pair; 3]> = OnceLock::new();
    PAIRS.get_or_init(|| [Pair::rsa(), Pair::ec(), Pair::ed()])
}

/// How a server of keys answers.
#[derive(Clone)]
pub enum Way {
    /// With what this says at the time.
    Fresh(Arc<dyn Fn() -> String + Send + Sync>),
    /// With this status and body.
    Answer(u16, String),
    /// Once this has passed.
    Slow(Duration, String),
    /// It takes connections, and says nothing.
    Hang,
    /// It begins to answer, and does not go on.
    Stall,
}

/// A server of keys on a free port of this machine, until the program ends.
#[derive(Clone)]
pub struct KeyServer {
    port: u16,
    way: Arc<Mutex<Way>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    /// Start.
    pub fn start(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, way: Arc::new(Mutex::new(set_of(keys))), asked: Arc::default() };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                // Whoever goes away early is not served.
                thread::spawn(move || drop(serving.serve(stream)));
            }
        });
        server
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = BufReader::new(stream.try_clone()?).lines().map_while(Result::ok);
        head.find(String::is_empty);
        self.asked.fetch_add(1, Ordering::SeqCst);
        let way = self.way.lock().unwrap().clone();
        let (status, body, told) = match way {
            Way::Answer(status, body) => (status, body, usize::MAX),
            Way::Fresh(body) => (200, body(), usize::MAX),
            Way::Slow(pause, body) => {
                crate::pause(pause);
                (200, body, usize::MAX)
            }
            Way::Hang => (0, String::new(), 0),
            Way::Stall => (200, "{\"keys\": []}".into(), 5),
        };
        if status > 0 {
            let length = body.len();
            write!(stream, "HTTP/1.1 {status} x\r\nlocation: /elsewhere\r\ncontent-length: {length}\r\n")?;
            write!(stream, "content-type: application/json\r\nconnection: close\r\n\r\n{}", &body[..told.min(length)])?;
        }
        if told < usize::MAX {
            // Until the other side has had enough.
            head.next();
        }
        Ok(())
    }

    /// Uri.
    pub fn uri(&self) -> String {
        format!("http://127.0.0.1:{}/keys", self.port)
    }

    /// Answers.
    pub fn answers(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// The answer with these keys.
pub fn set_of(keys: &[Value]) -> Way {
    Way::Answer(200, json!({ "keys": keys }).to_string())
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyServer").field("port", &self.port).finish_non_exhaustive()
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pair").field(&self.alg()).finish()
    }
}
