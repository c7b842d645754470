//! Scripts: named by their digest, sent whole where Redis does not know them (after a restart, a failover, on another shard).

use std::sync::OnceLock;

use fred::clients::{Client, WithOptions};
use fred::interfaces::LuaInterface;
use fred::types::Value;
use fred::types::scripts::Script as Digest;

/// Names a script: where it lies, since each is a `static`.
pub(super) type ScriptId = usize;

/// A script in Lua, made once as a `static`. Every key that it touches must be among its `KEYS` and carry one hash tag.
#[derive(Debug)]
pub struct Script {
    source: &'static str,
    digest: OnceLock<String>,
}

impl Script {
    /// Takes the source.
    pub const fn new(source: &'static str) -> Self {
        Self { source, digest: OnceLock::new() }
    }

    /// Tells it from others.
    pub(super) fn id(&self) -> ScriptId {
        std::ptr::from_ref(self) as ScriptId
    }

    /// Runs it, `whole` or by its name. `NOSCRIPT` means that nothing was done, so the source may follow.
    pub(super) async fn run(
        &self,
        client: &WithOptions<Client>,
        whole: bool,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<Value, fred::error::Error> {
        if whole {
            return client.eval(self.source, keys, args).await;
        }
        let digest = self.digest.get_or_init(|| Digest::from_lua(self.source).sha1().to_string());
        match client.evalsha(digest.as_str(), keys.clone(), args.clone()).await {
            Err(error) if error.details().starts_with("NOSCRIPT") => client.eval(self.source, keys, args).await,
            result => result,
        }
    }
}
