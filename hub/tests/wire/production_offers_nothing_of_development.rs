//! Goal: what makes development easy does not exist without `--dev`. Method: the program with a configuration of its own, asked for
//! each of those things.

use hubbub::auth::mint::TokenDraft;
use hubbub::auth::secret::Secret;
use hubbub::config::Config;
use hubbub_client::{RawConnection, RawOptions};

use crate::harness::{Setup, now_ms, token};
use crate::http::{get, request};
use crate::peer::{Peer, draft, fresh};

const SECRET: &str = "the-secret-of-this-test-has-thirty-two-bytes";

const CONFIG: &str = r#"
[[tenants]]
id = "acme"
[[tenants.token_keys]]
kid = "k"
algorithm = "HS256"
secret = "the-secret-of-this-test-has-thirty-two-bytes"
[[tenants.api_keys]]
id = "backend"
secret = "an-api-key-of-this-test-which-is-long-enough"
scopes = ["publish"]

[namespaces.room]
log = "durable"
allow = ["subscribe", "publish"]
"#;

#[tokio::test]
async fn but_the_hub_itself() {
    let hub = Setup::new().production().config(CONFIG).start();
    let mut key = Config::development().tenants[0].token_keys[0].clone();
    (key.kid, key.secret) = (Some("k".to_owned()), Some(Secret::new(SECRET)));
    let now = now_ms() / 1_000;
    let mine =
        TokenDraft { sub: "u1".into(), iat: now, exp: now + 600, ..TokenDraft::default() }.sign(&key).expect("signed");
    let mut peer = Peer::open(&hub).await;
    peer.begin(&mine, Vec::new()).await;
    peer.subscribe(fresh("room:a")).await;
    peer.publish(draft("room:a", "1")).await;
    assert_eq!(peer.message().await.data.get(), "1");

    let mut stranger = Peer::open(&hub).await;
    assert!(
        stranger.raw.connect(&token("u1"), Vec::new(), crate::harness::WITHIN).await.is_err(),
        "the key of development"
    );
    for path in ["/", "/echo", "/dev/token?sub=u1", "/chat"] {
        assert_eq!(get(hub.public, path, &[]).await.status, 404, "{path}");
    }
    assert!(RawConnection::open(&format!("ws://{}/echo", hub.public), RawOptions::default()).await.is_err());
    let localhost = format!("http://{}", hub.public);
    assert_eq!(get(hub.public, "/ws", &[("origin", &localhost)]).await.status, 403);
    let auth = [("authorization", "Bearer dev-key")];
    assert_eq!(
        request(hub.internal, "POST", "/v1/publish", &auth, r#"{"channel":"room:a","data":1}"#).await.status,
        401
    );
}
