//! What the verifier lets in and what it refuses, by tables over tokens that are signed with real keys.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{EncodingKey, Header};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::auth::grants::Grants;
use crate::auth::keys::{KeyError, TokenKeySettings};
use crate::auth::secret::Secret;

const NOW_S: u64 = 1_763_600_000;
const SECRET: &str = "a secret of thirty-two bytes or more";

fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).expect("a tenant")
}

fn secret_key(kid: Option<&str>, algorithm: Algorithm, secret: &str) -> TokenKeySettings {
    TokenKeySettings {
        kid: kid.map(Into::into),
        algorithm: Some(algorithm),
        secret: Some(Secret::new(secret)),
        ..TokenKeySettings::default()
    }
}

fn verifier_of(settings: TokenSettings, tenants: &[(TenantId, Vec<TokenKeySettings>)]) -> Verifier {
    let tenants = tenants.iter().map(|(tenant, keys)| (tenant, keys.as_slice()));
    let ring = KeyRing::new(settings, tenants).expect("valid keys");
    Verifier::new(ring, Arc::new(Clock::Manual((NOW_S * 1_000).into())))
}

fn verifier(keys: Vec<TokenKeySettings>) -> Verifier {
    verifier_of(TokenSettings::default(), &[(tenant("acme"), keys)])
}

fn claims() -> Value {
    json!({"sub": "u1", "exp": NOW_S + 3_600, "iat": NOW_S - 10})
}

fn with(changes: Value) -> Value {
    let mut all = claims();
    for (name, value) in changes.as_object().expect("an object") {
        all[name] = value.clone();
    }
    all
}

fn without(name: &str) -> Value {
    let mut all = claims();
    all.as_object_mut().expect("an object").remove(name);
    all
}

fn header(algorithm: Algorithm, kid: Option<&str>) -> Header {
    Header { kid: kid.map(Into::into), ..Header::new(algorithm.jwa()) }
}

fn sign(kid: Option<&str>, secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&header(Algorithm::HS256, kid), claims, &key).expect("signed")
}

/// A token whose parts are put together by hand and signed as HS256, whatever its head says.
fn sign_raw(head: &str, payload: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(payload));
    let key = EncodingKey::from_secret(secret);
    let signature =
        jsonwebtoken::crypto::sign(signed.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).expect("signed");
    format!("{signed}.{signature}")
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// A new pair: what signs, and the settings of what proves.
fn pair(algorithm: Algorithm, kid: &str) -> (EncodingKey, TokenKeySettings) {
    let random = SystemRandom::new();
    let (signing, public) = match algorithm {
        Algorithm::RS256 => {
            let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key");
            let pkcs1 = rsa_private_pkcs1(&pair);
            (EncodingKey::from_rsa_der(&pkcs1), pair.public_key().as_der().expect("der").as_ref().to_vec())
        }
        Algorithm::ES256 => {
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).expect("a key");
            (EncodingKey::from_ec_der(pkcs8.as_ref()), pair.public_key().as_der().expect("der").as_ref().to_vec())
        }
        Algorithm::EdDSA => {
            let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
            let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key");
            (EncodingKey::from_ed_der(pkcs8.as_ref()), pair.public_key().as_der().expect("der").as_ref().to_vec())
        }
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => unreachable!("not a pair"),
    };
    let settings = TokenKeySettings {
        kid: Some(kid.into()),
        algorithm: Some(algorithm),
        public_key: Some(pem("PUBLIC KEY", &public)),
        ..TokenKeySettings::default()
    };
    (signing, settings)
}

fn rsa_private_pkcs1(pair: &aws_lc_rs::rsa::KeyPair) -> Vec<u8> {
    let pkcs8 = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(pair).expect("der");
    // PKCS#8 of RSA is a head of 26 bytes (for 2,048 bits) before the PKCS#1 structure.
    pkcs8.as_ref()[26..].to_vec()
}

#[tokio::test]
async fn a_token_becomes_an_identity() {
    let verifier = verifier(vec![secret_key(Some("k1"), Algorithm::HS256, SECRET)]);
    let token = sign(Some("k1"), SECRET, &with(json!({"jti": "t1", "allow": {"live:*": ["subscribe"]}})));
    let identity = verifier.verify(&token).await.expect("valid");
    assert_eq!(identity.tenant, tenant("acme"));
    assert_eq!(identity.user.as_ref().map(UserId::as_str), Some("u1"));
    assert_eq!((identity.token_id.as_deref(), identity.issued_at), (Some("t1"), NOW_S - 10));
    assert_eq!(identity.expires_at_ms, (NOW_S + 3_600) * 1_000);
    assert!(matches!(identity.grants, Grants::Explicit(ref all) if all.len() == 1));
    let plain = verifier.verify(&sign(Some("k1"), SECRET, &claims())).await.expect("valid");
    assert_eq!((plain.token_id, plain.grants), (None, Grants::Defaults));
}

#[test]
fn a_token_can_be_judged_on_any_thread() {
    fn sendable<T: Send>(_: &T) {}
    let verifier = verifier(vec![secret_key(None, Algorithm::HS256, SECRET)]);
    sendable(&verifier.verify("x"));
    sendable(&verifier.keep_keys_fresh());
}

#[tokio::test]
async fn claims_decide() {
    let key = TokenKeySettings {
        issuer: Some("https://login.example.com".into()),
        audience: vec!["hub".into(), "hub-2".into()],
        ..secret_key(None, Algorithm::HS256, SECRET)
    };
    let verifier = verifier(vec![key]);
    let good = json!({"iss": "https://login.example.com", "aud": "hub"});
    let table: Vec<(Value, Result<(), AuthError>)> = vec![
        (json!({}), Ok(())),
        (json!({"aud": ["x", "hub-2"]}), Ok(())),
        (json!({"aud": "x"}), Err(AuthError::Audience)),
        (json!({"aud": []}), Err(AuthError::Audience)),
        (json!({"aud": null}), Err(AuthError::Audience)),
        (json!({"iss": "https://login.example.com/"}), Err(AuthError::Issuer)),
        (json!({"iss": null}), Err(AuthError::Issuer)),
        (json!({"exp": NOW_S - 29}), Ok(())),
        (json!({"exp": NOW_S - 30}), Err(AuthError::Expired)),
        (json!({"exp": 0}), Err(AuthError::Expired)),
        (json!({"exp": NOW_S + 86_400 + 30}), Ok(())),
        (json!({"exp": NOW_S + 86_400 + 31}), Err(AuthError::LivesTooLong { max_s: 86_400 })),
        (json!({"exp": 9_007_199_254_740_991_u64}), Err(AuthError::LivesTooLong { max_s: 86_400 })),
        (json!({"nbf": NOW_S + 30}), Ok(())),
        (json!({"nbf": NOW_S + 31}), Err(AuthError::NotYet)),
        (json!({"iat": NOW_S + 31}), Err(AuthError::NotYet)),
        (json!({"tenant": "acme"}), Ok(())),
        (json!({"tenant": "other"}), Err(AuthError::Tenant)),
        (json!({"sub": "a b"}), Err(AuthError::Subject(hubbub_protocol::channel::NameError::User))),
        (json!({"sub": ""}), Err(AuthError::Subject(hubbub_protocol::channel::NameError::User))),
    ];
    for (changes, expected) in table {
        let mut all = with(good.clone());
        for (name, value) in changes.as_object().expect("an object") {
            all[name] = value.clone();
        }
        let judged = verifier.verify(&sign(None, SECRET, &all)).await.map(|_| ());
        assert_eq!(judged, expected, "{changes}");
    }
}

#[tokio::test]
async fn claims_that_can_not_be_used_are_named() {
    let verifier = verifier(vec![secret_key(None, Algorithm::HS256, SECRET)]);
    let table = [
        (without("exp"), "exp"),
        (without("sub"), "sub"),
        (with(json!({"exp": "tomorrow"})), "`exp` must be a number"),
        (with(json!({"tenant": 7})), "`tenant` must be a text"),
        (with(json!({"jti": ""})), "jti"),
        (with(json!({"jti": "x".repeat(129)})), "jti"),
        (with(json!({"allow": {"chat:*": ["fly"]}})), "fly"),
        (with(json!({"allow": {"*:x": ["publish"]}})), "pattern"),
        (with(json!({"allow": null})), "allow"),
    ];
    for (claims, word) in table {
        match verifier.verify(&sign(None, SECRET, &claims)).await {
            Err(error @ AuthError::Claims(_)) => assert!(error.to_string().contains(word), "{error}"),
            other => panic!("{claims}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_token_that_gets_in_by_the_leeway_ends_with_it() {
    let verifier = verifier(vec![secret_key(None, Algorithm::HS256, SECRET)]);
    let identity =
        verifier.verify(&sign(None, SECRET, &with(json!({"exp": NOW_S - 10})))).await.expect("in the leeway");
    assert_eq!(identity.expires_at_ms, (NOW_S + 20) * 1_000);
}

#[tokio::test]
async fn every_algorithm_proves_and_is_not_taken_for_another() {
    let pairs: Vec<_> = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
        .map(|algorithm| (algorithm, pair(algorithm, "k")))
        .into();
    let secrets = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
    let mut signed = Vec::new();
    let mut keys = Vec::new();
    for algorithm in secrets {
        let secret = format!("{SECRET} for {algorithm:?}");
        let key = EncodingKey::from_secret(secret.as_bytes());
        signed.push((algorithm, jsonwebtoken::encode(&header(algorithm, Some("k")), &claims(), &key).expect("signed")));
        keys.push((algorithm, secret_key(Some("k"), algorithm, &secret)));
    }
    for (algorithm, (signing, settings)) in pairs {
        let token = jsonwebtoken::encode(&header(algorithm, Some("k")), &claims(), &signing).expect("signed");
        signed.push((algorithm, token));
        keys.push((algorithm, settings));
    }
    let all = verifier(keys.iter().map(|(_, key)| key.clone()).collect());
    for (algorithm, token) in &signed {
        assert!(all.verify(token).await.is_ok(), "{algorithm:?} among all");
        for (other, key) in &keys {
            let judged = verifier(vec![key.clone()]).verify(token).await.map(|_| ());
            assert_eq!(
                judged,
                if algorithm == other { Ok(()) } else { Err(AuthError::UnknownKey) },
                "{algorithm:?} by {other:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_public_key_is_never_a_secret() {
    let (_, settings) = pair(Algorithm::RS256, "k");
    let public = settings.public_key.clone().expect("set");
    let verifier = verifier(vec![settings]);
    for head in [r#"{"alg":"HS256","kid":"k"}"#, r#"{"alg":"RS256","kid":"k"}"#] {
        let token = sign_raw(head, &claims().to_string(), public.as_bytes());
        let judged = verifier.verify(&token).await;
        assert!(matches!(judged, Err(AuthError::UnknownKey | AuthError::Signature)), "{head}: {judged:?}");
    }
}

#[tokio::test]
async fn unsigned_and_odd_tokens_are_refused() {
    let verifier = verifier(vec![secret_key(None, Algorithm::HS256, SECRET)]);
    let good = sign(None, SECRET, &claims());
    let payload = claims().to_string();
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let secret = SECRET.as_bytes();
    let table = [
        (sign_raw(r#"{"alg":"none"}"#, &payload, secret), AuthError::Algorithm),
        (sign_raw(r#"{"alg":"None"}"#, &payload, secret), AuthError::Algorithm),
        (sign_raw(r#"{"alg":"hs256"}"#, &payload, secret), AuthError::Algorithm),
        (sign_raw(r#"{"alg":"PS256"}"#, &payload, secret), AuthError::Algorithm),
        (format!("{signed}."), AuthError::Signature),
        (format!("{signed}.{}", &signature[..signature.len() - 4]), AuthError::Signature),
        (sign(None, &SECRET.to_uppercase(), &claims()), AuthError::Signature),
        (format!("{good}x"), AuthError::Signature),
        ("x".repeat(TOKEN_MAX + 1), AuthError::TooLong { max: TOKEN_MAX }),
    ];
    for (token, expected) in table {
        assert_eq!(verifier.verify(&token).await, Err(expected), "{token:.80}");
    }
    let malformed = [
        String::new(),
        "a.b".into(),
        format!("{good}.x"),
        format!("!{good}"),
        sign_raw("[]", &payload, secret),
        sign_raw("{}", &payload, secret),
        sign_raw(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, &payload, secret),
        sign_raw(r#"{"alg":"HS256","alg":"HS256"}"#, &payload, secret),
        sign(Some(&"k".repeat(257)), SECRET, &claims()),
    ];
    for token in malformed {
        assert!(matches!(verifier.verify(&token).await, Err(AuthError::Malformed(_))), "{token:.80}");
    }
    let trailing = sign_raw(r#"{"alg":"HS256"}"#, &format!("{payload} 1"), secret);
    assert!(matches!(verifier.verify(&trailing).await, Err(AuthError::Claims(_))));
}

#[tokio::test]
async fn keys_are_found_by_kid_then_by_algorithm() {
    let (a, b, free) = (format!("{SECRET} a"), format!("{SECRET} b"), format!("{SECRET} free"));
    let verifier = verifier(vec![
        secret_key(Some("a"), Algorithm::HS256, &a),
        secret_key(Some("b"), Algorithm::HS256, &b),
        secret_key(None, Algorithm::HS256, &free),
    ]);
    let table = [
        (Some("a"), &a, Ok(())),
        (Some("b"), &b, Ok(())),
        (Some("a"), &b, Err(AuthError::Signature)),
        (Some("x"), &a, Err(AuthError::Signature)),
        (Some("x"), &free, Ok(())),
        (None, &a, Ok(())),
        (None, &b, Ok(())),
        (None, &free, Ok(())),
    ];
    for (kid, secret, expected) in table {
        assert_eq!(verifier.verify(&sign(kid, secret, &claims())).await.map(|_| ()), expected, "{kid:?}");
    }
}

#[tokio::test]
async fn the_key_or_the_claim_names_the_tenant() {
    let (bound_a, bound_b, shared) = (format!("{SECRET} A"), format!("{SECRET} B"), format!("{SECRET} shared"));
    let tenants = [
        (tenant("a"), vec![secret_key(Some("k"), Algorithm::HS256, &bound_a)]),
        (tenant("b"), vec![secret_key(Some("k"), Algorithm::HS256, &bound_b)]),
    ];
    let settings = |default: Option<&str>| TokenSettings {
        tenant_claim: "org".into(),
        default_tenant: default.map(tenant),
        keys: vec![secret_key(Some("s"), Algorithm::HS256, &shared)],
        ..TokenSettings::default()
    };
    let table = [
        (Some("k"), &bound_a, json!({}), Ok("a")),
        (Some("k"), &bound_b, json!({}), Ok("b")),
        (Some("k"), &bound_a, json!({"org": "a"}), Ok("a")),
        (Some("k"), &bound_a, json!({"org": "b"}), Err(AuthError::Tenant)),
        (Some("k"), &bound_a, json!({"tenant": "b"}), Ok("a")),
        (Some("s"), &shared, json!({"org": "a"}), Ok("a")),
        (Some("s"), &shared, json!({"org": "b"}), Ok("b")),
        (Some("s"), &shared, json!({"org": "c"}), Err(AuthError::Tenant)),
        (Some("s"), &shared, json!({"org": "A"}), Err(AuthError::Tenant)),
        (Some("s"), &shared, json!({"tenant": "a"}), Err(AuthError::Tenant)),
        (Some("s"), &shared, json!({}), Err(AuthError::Tenant)),
    ];
    let strict = verifier_of(settings(None), &tenants);
    for (kid, secret, changes, expected) in table {
        let judged = strict.verify(&sign(kid, secret, &with(changes.clone()))).await;
        assert_eq!(judged.map(|identity| identity.tenant.to_string()), expected.map(str::to_owned), "{changes}");
    }
    let lenient = verifier_of(settings(Some("b")), &tenants);
    let identity = lenient.verify(&sign(Some("s"), &shared, &claims())).await.expect("the default");
    assert_eq!(identity.tenant, tenant("b"));
    let nowhere = verifier_of(settings(Some("gone")), &tenants);
    assert_eq!(nowhere.verify(&sign(Some("s"), &shared, &claims())).await, Err(AuthError::Tenant));
}

#[tokio::test]
async fn a_key_of_two_tenants_is_told_apart_by_its_audience() {
    let of = |audience: &str| TokenKeySettings {
        audience: vec![audience.into()],
        ..secret_key(Some("k"), Algorithm::HS256, SECRET)
    };
    let verifier =
        verifier_of(TokenSettings::default(), &[(tenant("a"), vec![of("app-a")]), (tenant("b"), vec![of("app-b")])]);
    for (audience, expected) in [("app-a", Ok("a")), ("app-b", Ok("b")), ("app-c", Err(AuthError::Audience))] {
        let judged = verifier.verify(&sign(Some("k"), SECRET, &with(json!({"aud": audience})))).await;
        assert_eq!(judged.map(|identity| identity.tenant.to_string()), expected.map(str::to_owned));
    }
}

#[tokio::test]
async fn a_reload_changes_what_is_let_in() {
    let before = format!("{SECRET} before");
    let verifier = verifier(vec![secret_key(Some("k"), Algorithm::HS256, &before)]);
    let token = sign(Some("k"), &before, &claims());
    assert!(verifier.verify(&token).await.is_ok());
    let keys = [secret_key(Some("k"), Algorithm::HS256, SECRET)];
    verifier.reload(KeyRing::new(TokenSettings::default(), [(&tenant("acme"), &keys[..])]).expect("valid keys"));
    assert_eq!(verifier.verify(&token).await, Err(AuthError::Signature));
    assert!(verifier.verify(&sign(Some("k"), SECRET, &claims())).await.is_ok());
}

#[test]
fn keys_that_can_not_be_are_refused() {
    let (_, rsa) = pair(Algorithm::RS256, "k");
    let (_, ec) = pair(Algorithm::ES256, "k");
    let hmac = secret_key(None, Algorithm::HS256, SECRET);
    let small = aws_lc_rs::rsa::PublicKeyComponents { n: vec![0x80; 128], e: vec![1, 0, 1] };
    let small = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(&small).expect("der");
    let table = [
        (TokenKeySettings::default(), KeyError::Source),
        (TokenKeySettings { public_key: rsa.public_key.clone(), ..hmac.clone() }, KeyError::Source),
        (TokenKeySettings { algorithm: None, ..hmac.clone() }, KeyError::NoAlgorithm),
        (TokenKeySettings { algorithm: Some(Algorithm::RS256), ..hmac.clone() }, KeyError::Family),
        (TokenKeySettings { algorithm: Some(Algorithm::HS256), ..rsa.clone() }, KeyError::Family),
        (secret_key(None, Algorithm::HS256, "short"), KeyError::ShortSecret),
        (TokenKeySettings { algorithm: Some(Algorithm::ES256), ..rsa.clone() }, KeyError::Pem),
        (TokenKeySettings { algorithm: Some(Algorithm::RS256), ..ec.clone() }, KeyError::Pem),
        (TokenKeySettings { algorithm: Some(Algorithm::EdDSA), ..ec.clone() }, KeyError::Pem),
        (TokenKeySettings { public_key: Some("no key".into()), ..ec.clone() }, KeyError::Pem),
        (TokenKeySettings { public_key: Some(pem("PRIVATE KEY", b"x")), ..ec }, KeyError::Private),
        (TokenKeySettings { public_key: Some(pem("PUBLIC KEY", small.as_ref())), ..rsa }, KeyError::Pem),
    ];
    for (settings, expected) in table {
        assert_eq!(settings.check(), Err(expected), "{settings:?}");
    }
}

#[test]
fn nothing_of_a_secret_is_printed() {
    let settings = TokenSettings { keys: vec![secret_key(None, Algorithm::HS256, SECRET)], ..TokenSettings::default() };
    let ring = KeyRing::new(settings.clone(), [(&tenant("a"), &settings.keys[..])]).expect("valid keys");
    assert!(!format!("{settings:?} {ring:?}").contains(SECRET));
    // Bytes printed as numbers would show it as well.
    assert!(!format!("{ring:?}").contains("97, 32, 115"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "(?s).{0,200}", parts in "[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}") {
        let verifier = verifier(vec![secret_key(None, Algorithm::HS256, SECRET)]);
        prop_assert!(verifier.verify_now(&text).is_err());
        prop_assert!(verifier.verify_now(&parts).is_err());
    }

    #[test]
    fn no_signed_claims_panic(payload in "(?s).{0,200}", json in "\\{(\"(sub|exp|iat|aud|allow|jti|tenant)\":[\\[\\]{}\":,*0-9a-z.-]{0,12},?){0,5}\\}") {
        let verifier = verifier(vec![secret_key(None, Algorithm::HS256, SECRET)]);
        for payload in [payload, json] {
            let _ = verifier.verify_now(&sign_raw(r#"{"alg":"HS256"}"#, &payload, SECRET.as_bytes()));
        }
    }
}
