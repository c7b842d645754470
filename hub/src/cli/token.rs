//! `hubbub token`: signs a token, for development and for a first try.

use std::collections::BTreeMap;
use std::process::ExitCode;

use hubbub_protocol::channel::{TenantId, UserId};
use rand::RngExt;

use super::sources::SourceArgs;
use super::{CliError, Done};
use crate::auth::grants::ChannelPattern;
use crate::auth::keys::TokenKeySettings;
use crate::auth::mint::TokenDraft;
use crate::clock::Clock;
use crate::config::Config;

/// Arguments of `hubbub token`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    sources: SourceArgs,
    /// The user.
    #[arg(long, value_name = "USER")]
    sub: UserId,
    /// A capability, e.g. 'live:*=subscribe,publish'. May stand often; without any the defaults of the namespaces count.
    #[arg(long, value_name = "PATTERN=OPS", value_parser = parse_capability)]
    allow: Vec<(String, Vec<String>)>,
    /// How long it lives: a number and s, m, h or d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_ttl)]
    ttl: u64,
    /// The tenant.
    #[arg(long, default_value = "default")]
    tenant: TenantId,
}

pub(super) fn run(args: &Args) -> Done {
    let config = args.sources.load(Vec::new())?;
    let random: u128 = rand::rng().random();
    println!("{}", mint(args, &config, Clock::System.now_ms() / 1_000, random)?);
    Ok(ExitCode::SUCCESS)
}

fn mint(args: &Args, config: &Config, now_s: u64, random: u128) -> Result<String, CliError> {
    let max = config.tokens.max_ttl_s;
    if args.ttl > max {
        return Err(CliError::Usage(format!("--ttl: the hub takes tokens that live at most {max}s")));
    }
    let mut allow: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (pattern, operations) in &args.allow {
        allow.entry(pattern.clone()).or_default().extend(operations.iter().cloned());
    }
    let draft = TokenDraft {
        sub: args.sub.to_string(),
        iat: now_s,
        exp: now_s + args.ttl,
        jti: Some(format!("{random:032x}")),
        allow: (!allow.is_empty()).then_some(allow),
        others: BTreeMap::from([(config.tokens.tenant_claim.clone(), args.tenant.to_string())]),
    };
    Ok(draft.sign(signing_key(config, &args.tenant)?)?)
}

/// The first key of the tenant that can sign, or the first one that is not bound to a tenant.
fn signing_key<'c>(config: &'c Config, tenant: &TenantId) -> Result<&'c TokenKeySettings, CliError> {
    let Some(settings) = config.tenants.iter().find(|known| known.id == *tenant) else {
        return Err(CliError::Usage(format!("--tenant: there is no tenant `{tenant}` in the configuration")));
    };
    let mut keys = settings.token_keys.iter().chain(&config.tokens.keys);
    keys.find(|key| key.secret.is_some()).ok_or_else(|| {
        CliError::Usage(format!(
            "tenant `{tenant}` has no HS256, HS384 or HS512 key to sign with; its issuer makes the tokens"
        ))
    })
}

/// `=` may be part of a channel name, and never of an operation.
fn parse_capability(text: &str) -> Result<(String, Vec<String>), String> {
    const WORDS: [&str; 6] = ["subscribe", "publish", "history", "presence", "moderate", "*"];
    let (pattern, operations) =
        text.rsplit_once('=').ok_or("write pattern=operations, e.g. 'live:*=subscribe,publish'")?;
    ChannelPattern::parse(pattern).map_err(|error| error.to_string())?;
    let operations: Vec<String> = operations.split(',').map(|word| word.trim().to_owned()).collect();
    match operations.iter().find(|word| !WORDS.contains(&word.as_str())) {
        Some(word) => Err(format!("`{word}` is no operation; there are {}", WORDS.join(", "))),
        None => Ok((pattern.to_owned(), operations)),
    }
}

fn parse_ttl(text: &str) -> Result<u64, String> {
    let error = || format!("`{text}` is not a time; write e.g. 90s, 15m, 1h or 1d");
    let unit = text.chars().last().ok_or_else(error)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(error()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| error())?;
    number.checked_mul(seconds).filter(|seconds| *seconds > 0).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::auth::Verifier;
    use crate::auth::grants::{Grants, Operations};
    use crate::namespace::Operation;

    const NOW_S: u64 = 1_763_600_000;

    fn args(sub: &str, allow: &[&str], ttl: &str) -> Args {
        Args {
            sources: SourceArgs { dev: true, config: None },
            sub: UserId::parse(sub).expect("a user"),
            allow: allow.iter().map(|text| parse_capability(text).expect("a capability")).collect(),
            ttl: parse_ttl(ttl).expect("a time"),
            tenant: TenantId::parse("default").expect("a tenant"),
        }
    }

    #[test]
    fn the_hub_takes_the_tokens_that_it_prints() {
        let config = Config::development();
        let ring = config.reloadable().expect("valid").key_ring;
        let verifier = Verifier::new(ring, Arc::new(Clock::Manual((NOW_S * 1_000).into())));
        let args = args("u1", &["live:*=subscribe", "live:*=publish", "a:b=c=*"], "1d");
        let token = mint(&args, &config, NOW_S, 7).expect("signed");
        let identity = verifier.verify_now(&token).expect("taken");
        assert_eq!(identity.user, Some(args.sub));
        assert_eq!((identity.tenant, identity.expires_at_ms), (args.tenant, (NOW_S + 86_400) * 1_000));
        let channel = hubbub_protocol::ChannelName::parse("live:a").expect("a channel");
        let both = Operations::NONE.with(Operation::Subscribe).with(Operation::Publish);
        assert_eq!(identity.grants.on(&channel, Operations::NONE), both);
        assert_eq!(identity.token_id.as_deref(), Some("00000000000000000000000000000007"));
    }

    #[test]
    fn without_capabilities_the_defaults_count() {
        let config = Config::development();
        let verifier = Verifier::new(
            config.reloadable().expect("valid").key_ring,
            Arc::new(Clock::Manual((NOW_S * 1_000).into())),
        );
        let token = mint(&args("u1", &[], "1h"), &config, NOW_S, 7).expect("signed");
        assert_eq!(verifier.verify_now(&token).expect("taken").grants, Grants::Defaults);
    }

    #[test]
    fn what_can_not_be_signed_is_told() {
        let config = Config::development();
        let long = mint(&args("u1", &[], "2d"), &config, NOW_S, 7).expect_err("too long");
        assert!(long.to_string().contains("at most 86400s"), "{long}");
        let foreign = Args { tenant: TenantId::parse("gone").expect("a tenant"), ..args("u1", &[], "1h") };
        let unknown = mint(&foreign, &config, NOW_S, 7).expect_err("no such tenant");
        assert!(unknown.to_string().contains("no tenant `gone`"), "{unknown}");
        let mut keyless = config;
        keyless.tenants[0].token_keys.clear();
        assert!(mint(&args("u1", &[], "1h"), &keyless, NOW_S, 7).is_err());
    }

    #[test]
    fn times_and_capabilities_are_read() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h", 3_600), ("1d", 86_400)] {
            assert_eq!(parse_ttl(text), Ok(seconds), "{text}");
        }
        for bad in ["", "h", "1", "1w", "-1h", "0s", "1.5h", "1\u{e4}", "99999999999999999999h", "9999999999999999999d"]
        {
            assert!(parse_ttl(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_capability("a:b=c=*"), Ok(("a:b=c".into(), vec!["*".into()])));
        for bad in ["", "live:*", "live:*=", "live:*=fly", "li*ve=publish", "=publish"] {
            assert!(parse_capability(bad).is_err(), "{bad}");
        }
    }
}
