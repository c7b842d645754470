//! Keys from a URL: fetched, rotated, looked for, and never driven to many requests. Over a real HTTP server.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::AtomicUsize;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hubbub_protocol::channel::TenantId;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::auth::error::AuthError;
use crate::auth::keys::TokenKeySettings;
use crate::auth::ring::{KeyRing, TokenSettings};
use crate::auth::verifier::Verifier;

const NOW_S: u64 = 1_763_600_000;

/// An issuer: its answer can be changed, and it counts what it is asked.
#[derive(Clone)]
struct Issuer {
    url: String,
    answer: Arc<Mutex<(u16, String)>>,
    hits: Arc<AtomicUsize>,
    hit: Arc<watch::Sender<()>>,
}

impl Issuer {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/keys", listener.local_addr().expect("bound"));
        let issuer = Self { url, answer: Arc::default(), hits: Arc::default(), hit: Arc::new(watch::Sender::new(())) };
        issuer.answers(200, "");
        let state = issuer.clone();
        // It ends with the runtime of its test.
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let state = state.clone();
                tokio::spawn(async move { state.serve(&mut stream).await });
            }
        });
        issuer
    }

    /// One request a connection: its head ends with an empty line, and it has no body.
    async fn serve(&self, stream: &mut tokio::net::TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        self.hits.fetch_add(1, Ordering::SeqCst);
        let (status, body) = self.answer.lock().expect("not poisoned").clone();
        // Who follows a redirect finds what stands in its body.
        let status = if head.starts_with(b"GET /moved") { 200 } else { status };
        let head = format!(
            "HTTP/1.1 {status} x\r\nlocation: /moved\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        self.hit.send_modify(|()| ());
        stream.shutdown().await
    }

    fn answers(&self, status: u16, body: impl Into<String>) {
        *self.answer.lock().expect("not poisoned") = (status, body.into());
    }

    fn publishes(&self, keys: &[&Value]) {
        self.answers(200, json!({"keys": keys}).to_string());
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

/// A new key of the issuer: what signs, and its JWK.
fn key(kid: &str) -> (EncodingKey, Value) {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let signing = EncodingKey::from_ec_der(pkcs8.as_ref());
    let jwk = Jwk::from_encoding_key(&signing, jsonwebtoken::Algorithm::ES256).expect("a jwk");
    let mut jwk = serde_json::to_value(jwk).expect("plain data");
    jwk["kid"] = kid.into();
    jwk["use"] = "sig".into();
    (signing, jwk)
}

fn token(kid: &str, signing: &EncodingKey) -> String {
    let header = Header { kid: Some(kid.into()), ..Header::new(jsonwebtoken::Algorithm::ES256) };
    jsonwebtoken::encode(&header, &json!({"sub": "u1", "exp": NOW_S + 3_600}), signing).expect("signed")
}

fn ring(url: &str, jwks: JwksSettings) -> KeyRing {
    let tenant = TenantId::parse("acme").expect("a tenant");
    let keys = [TokenKeySettings { jwks_url: Some(url.into()), ..TokenKeySettings::default() }];
    KeyRing::new(TokenSettings { jwks, ..TokenSettings::default() }, [(&tenant, &keys[..])]).expect("valid")
}

struct Hub {
    verifier: Arc<Verifier>,
    clock: Arc<Clock>,
}

impl Hub {
    fn start(url: &str, jwks: JwksSettings) -> Self {
        let clock = Arc::new(Clock::Manual((NOW_S * 1_000).into()));
        let verifier = Arc::new(Verifier::new(ring(url, jwks), clock.clone()));
        let background = verifier.clone();
        tokio::spawn(async move { background.keep_keys_fresh().await.map(|_| ()) });
        Self { verifier, clock }
    }

    async fn verify(&self, token: &str) -> Result<(), AuthError> {
        self.verifier.verify(token).await.map(|_| ())
    }

    fn pass(&self, seconds: u64) {
        let Clock::Manual(now) = &*self.clock else { unreachable!("made above") };
        now.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn the_first_token_waits_for_the_first_keys() {
    let issuer = Issuer::start().await;
    let (signing, jwk) = key("k1");
    issuer.publishes(&[&jwk]);
    let hub = Hub::start(&issuer.url, JwksSettings::default());
    assert_eq!(hub.verify(&token("k1", &signing)).await, Ok(()));
    assert_eq!(hub.verify(&token("k1", &key("k1").0)).await, Err(AuthError::Signature));
    assert_eq!(issuer.hits(), 1);
}

#[tokio::test]
async fn keys_of_every_kind_prove() {
    let issuer = Issuer::start().await;
    let rsa = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key");
    let rsa = AsDer::<Pkcs8V1Der<'_>>::as_der(&rsa).expect("der");
    // PKCS#8 of RSA is a head of 26 bytes (for 2,048 bits) before the PKCS#1 structure.
    let rsa = EncodingKey::from_rsa_der(&rsa.as_ref()[26..]);
    let mut rsa_jwk =
        serde_json::to_value(Jwk::from_encoding_key(&rsa, jsonwebtoken::Algorithm::RS256).expect("a jwk"))
            .expect("plain");
    rsa_jwk["kid"] = "rsa".into();
    let ed = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
    let x = URL_SAFE_NO_PAD.encode(Ed25519KeyPair::from_pkcs8(ed.as_ref()).expect("a key").public_key());
    let ed_jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": x});
    let ed = EncodingKey::from_ed_der(ed.as_ref());
    let (ec, ec_jwk) = key("ec");
    issuer.publishes(&[&rsa_jwk, &ed_jwk, &ec_jwk]);
    let hub = Hub::start(&issuer.url, JwksSettings::default());
    for (kid, algorithm, signing) in [
        ("rsa", jsonwebtoken::Algorithm::RS256, &rsa),
        ("ed", jsonwebtoken::Algorithm::EdDSA, &ed),
        ("ec", jsonwebtoken::Algorithm::ES256, &ec),
    ] {
        let header = Header { kid: Some(kid.into()), ..Header::new(algorithm) };
        let token = jsonwebtoken::encode(&header, &json!({"sub": "u1", "exp": NOW_S + 60}), signing).expect("signed");
        assert_eq!(hub.verify(&token).await, Ok(()), "{kid}");
    }
    assert_eq!(issuer.hits(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_when_a_token_names_it() {
    let issuer = Issuer::start().await;
    let ((old, old_jwk), (new, new_jwk)) = (key("k1"), key("k2"));
    issuer.publishes(&[&old_jwk]);
    let hub = Hub::start(&issuer.url, JwksSettings::default());
    assert_eq!(hub.verify(&token("k1", &old)).await, Ok(()));
    issuer.publishes(&[&new_jwk]);
    // Within the cool-down nothing is asked; after it, one request finds the new key, and the old one is gone.
    assert_eq!(hub.verify(&token("k2", &new)).await, Err(AuthError::UnknownKey));
    hub.pass(60);
    assert_eq!(hub.verify(&token("k2", &new)).await, Ok(()));
    assert_eq!(hub.verify(&token("k1", &old)).await, Err(AuthError::UnknownKey));
    assert_eq!(issuer.hits(), 2);
}

#[tokio::test]
async fn a_storm_of_unknown_key_ids_is_one_request() {
    let issuer = Issuer::start().await;
    let (signing, jwk) = key("k1");
    issuer.publishes(&[&jwk]);
    let hub = Hub::start(&issuer.url, JwksSettings::default());
    assert_eq!(hub.verify(&token("k1", &signing)).await, Ok(()));
    hub.pass(10);
    let storm = (0..500).map(|at| {
        let token = token(&format!("x{at}"), &signing);
        let hub = &hub;
        async move { hub.verify(&token).await }
    });
    let answers = futures_util::future::join_all(storm).await;
    assert!(answers.iter().all(|answer| *answer == Err(AuthError::UnknownKey)));
    assert_eq!(issuer.hits(), 2);
    // The same key id again does not even count after the cool-down; another one does.
    hub.pass(10);
    assert_eq!(hub.verify(&token("x1", &signing)).await, Err(AuthError::UnknownKey));
    assert_eq!(issuer.hits(), 2);
    assert_eq!(hub.verify(&token("y1", &signing)).await, Err(AuthError::UnknownKey));
    assert_eq!(issuer.hits(), 3);
    assert_eq!(hub.verify(&token("k1", &signing)).await, Ok(()));
}

#[tokio::test]
async fn known_keys_outlive_an_issuer_that_is_away() {
    let issuer = Issuer::start().await;
    let ((old, old_jwk), (new, new_jwk)) = (key("k1"), key("k2"));
    issuer.publishes(&[&old_jwk]);
    let hub = Hub::start(&issuer.url, JwksSettings::default());
    assert_eq!(hub.verify(&token("k1", &old)).await, Ok(()));
    for (status, body) in [
        (503, "{}".to_owned()),
        (302, json!({"keys": [new_jwk]}).to_string()),
        (200, "<html>".to_owned()),
        (200, json!({"keys": []}).to_string()),
        (200, json!({"keys": [new_jwk], "padding": "x".repeat(300_000)}).to_string()),
    ] {
        issuer.answers(status, body);
        hub.pass(60);
        assert_eq!(hub.verify(&token("k2", &new)).await, Err(AuthError::KeysUnavailable), "{status}");
        assert_eq!(hub.verify(&token("k1", &old)).await, Ok(()), "{status}");
    }
    issuer.publishes(&[&old_jwk, &new_jwk]);
    hub.pass(60);
    assert_eq!(hub.verify(&token("k2", &new)).await, Ok(()));
}

#[tokio::test]
async fn keys_are_renewed_without_being_asked_for() {
    let issuer = Issuer::start().await;
    let (signing, jwk) = key("k1");
    issuer.publishes(&[&jwk]);
    let hub = Hub::start(&issuer.url, JwksSettings { refresh_s: 0, ..JwksSettings::default() });
    assert_eq!(hub.verify(&token("k1", &signing)).await, Ok(()));
    let mut hits = issuer.hit.subscribe();
    issuer.publishes(&[&key("k2").1]);
    // Two whole rounds after the change the key is gone, although no token asked for another one.
    for _ in 0..3 {
        within(hits.changed()).await.expect("the issuer runs");
    }
    assert_eq!(hub.verifier.verify_now(&token("k1", &signing)).map(|_| ()), Err(AuthError::UnknownKey));
}

#[tokio::test]
async fn a_reload_keeps_the_keys_of_urls_that_stay() {
    let (first, second) = (Issuer::start().await, Issuer::start().await);
    let ((one, one_jwk), (two, two_jwk)) = (key("k1"), key("k2"));
    first.publishes(&[&one_jwk]);
    second.publishes(&[&two_jwk]);
    let hub = Hub::start(&first.url, JwksSettings::default());
    assert_eq!(hub.verify(&token("k1", &one)).await, Ok(()));
    hub.verifier.reload(ring(&first.url, JwksSettings::default()));
    assert_eq!(hub.verifier.verify_now(&token("k1", &one)).map(|_| ()), Ok(()));
    hub.verifier.reload(ring(&second.url, JwksSettings::default()));
    assert_eq!(hub.verify(&token("k2", &two)).await, Ok(()));
    assert_eq!(hub.verify(&token("k1", &one)).await, Err(AuthError::UnknownKey));
}

#[test]
fn only_usable_keys_are_taken_of_a_set() {
    let (_, good) = key("good");
    let changed = |changes: &[(&str, Value)]| {
        let mut jwk = good.clone();
        for (name, value) in changes {
            jwk[*name] = value.clone();
        }
        jwk
    };
    let ed = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
    let ed = Ed25519KeyPair::from_pkcs8(ed.as_ref()).expect("a key");
    let x = URL_SAFE_NO_PAD.encode(ed.public_key());
    let ed = json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": x});
    let mut no_alg = changed(&[("kid", "no-alg".into())]);
    no_alg.as_object_mut().expect("an object").remove("alg");
    let set = json!({"keys": [
        good,
        no_alg,
        ed,
        changed(&[("kid", "enc".into()), ("use", "enc".into())]),
        changed(&[("kid", "other-alg".into()), ("alg", "ES384".into())]),
        changed(&[("kid", "wrong-alg".into()), ("alg", "HS256".into())]),
        changed(&[("kid", "no-point".into()), ("x", "AAAA".into())]),
        changed(&[("kid", 7.into())]),
        {"kty": "oct", "kid": "secret", "alg": "HS256", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
        {"kty": "RSA", "kid": "small", "n": "gICAgA", "e": "AQAB"},
        {"kty": "new", "kid": "new"},
        "rubbish",
    ]});
    let keys = read_keys(set.to_string().as_bytes()).expect("some");
    let taken: BTreeMap<_, _> = keys.iter().map(|key| (key.kid.as_deref().unwrap_or(""), key.algorithm)).collect();
    let expected = [("good", Algorithm::ES256), ("no-alg", Algorithm::ES256), ("ed", Algorithm::EdDSA)];
    assert_eq!(taken, BTreeMap::from(expected));
    let many = json!({"keys": vec![&set["keys"][0]; KEYS_MAX + 1]}).to_string();
    assert_eq!(read_keys(many.as_bytes()).expect("some").len(), KEYS_MAX);
}

/// A bound for what must come, so that a broken test ends.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("in time")
}
