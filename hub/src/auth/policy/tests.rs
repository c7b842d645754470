//! Every decision of the policy, by tables.

use hubbub_protocol::channel::UserId;

use super::*;
use crate::auth::grants::Grants;
use crate::auth::service::ApiKeySettings;

use Operation::{History as H, Moderate as M, Presence as Pr, Publish as P, Subscribe as S};

const ALL: [Operation; 5] = [S, P, H, Pr, M];

fn namespaces() -> Namespaces {
    let durable = Namespace { log: LogKind::Durable, ..Namespace::default() };
    let declared = [
        ("chat", Namespace { presence: true, allow: vec![S, P, H, Pr], ..durable.clone() }),
        ("feed", Namespace { public: true, ..durable.clone() }),
        ("user", Namespace { per_user: true, ..durable.clone() }),
        ("desk", Namespace { per_user: true, presence: true, ..durable.clone() }),
        ("eph", Namespace { allow: vec![S, P], ..Namespace::default() }),
        ("shut", durable),
    ];
    Namespaces::new(declared.map(|(name, namespace)| (name.to_owned(), namespace))).expect("valid")
}

fn channel(text: &str) -> ChannelName {
    ChannelName::parse(text).expect("a channel")
}

fn tenant() -> TenantId {
    TenantId::parse("acme").expect("a tenant")
}

fn user(id: &str, allow: Option<&str>) -> Identity {
    let grants = allow.map_or(Grants::Defaults, |json| serde_json::from_str(json).expect("an allow claim"));
    Identity { user: Some(UserId::parse(id).expect("a user")), grants, ..Identity::anonymous(tenant()) }
}

/// What each operation is answered.
fn answers(policy: &Policy, who: &Identity, name: &str) -> [Result<(), Denied>; 5] {
    let channel = channel(name);
    [
        policy.subscribe(who, &channel).map(|_| ()),
        policy.publish(who, &channel).map(|_| ()),
        policy.history(who, &channel).map(|_| ()),
        policy.presence(who, &channel).map(|_| ()),
        policy.moderate(who, &channel).map(|_| ()),
    ]
}

#[test]
fn users_are_answered_by_namespace_owner_and_grants() {
    use Denied::{Capability as C, Namespace as N, NoHistory as NH, NoPresence as NP, NotOwner as O, TokenNeeded as T};
    let policy = Policy::new(namespaces());
    let nobody = Identity::anonymous(tenant());
    let plain = user("u1", None);
    let narrow = user("u1", Some(r#"{"chat:lobby":["subscribe"],"shut:*":["*"]}"#));
    let all = user("u1", Some(r#"{"*":["*"]}"#));
    let none = user("u1", Some("{}"));
    let (ok, e) = (Ok(()), Err);
    let table = [
        // who, channel, [subscribe, publish, history, presence, moderate]
        (&plain, "chat:lobby", [ok, ok, ok, ok, e(C)]),
        (&plain, "shut:x", [e(C), e(C), e(C), e(NP), e(C)]),
        (&plain, "eph:x", [ok, ok, e(NH), e(NP), e(C)]),
        (&plain, "feed:x", [ok, e(C), ok, e(NP), e(C)]),
        (&plain, "gone:x", [e(N), e(N), e(N), e(N), e(N)]),
        (&plain, "user:u1", [ok, e(O), ok, e(NP), e(O)]),
        (&plain, "user:u2", [e(O), e(O), e(O), e(NP), e(O)]),
        (&plain, "desk:u1", [ok, e(O), ok, ok, e(O)]),
        (&narrow, "chat:lobby", [ok, e(C), e(C), e(C), e(C)]),
        (&narrow, "chat:other", [e(C), e(C), e(C), e(C), e(C)]),
        (&narrow, "shut:x", [ok, ok, ok, e(NP), ok]),
        (&narrow, "feed:x", [ok, e(C), ok, e(NP), e(C)]),
        (&narrow, "user:u1", [e(C), e(O), e(C), e(NP), e(O)]),
        (&all, "chat:lobby", [ok, ok, ok, ok, ok]),
        (&all, "eph:x", [ok, ok, e(NH), e(NP), ok]),
        (&all, "feed:x", [ok, ok, ok, e(NP), ok]),
        (&all, "user:u1", [ok, e(O), ok, e(NP), e(O)]),
        (&all, "user:u2", [e(O), e(O), e(O), e(NP), e(O)]),
        (&all, "desk:u11", [e(O), e(O), e(O), e(O), e(O)]),
        (&all, "gone:x", [e(N), e(N), e(N), e(N), e(N)]),
        (&none, "chat:lobby", [e(C), e(C), e(C), e(C), e(C)]),
        (&none, "feed:x", [ok, e(C), ok, e(NP), e(C)]),
        (&nobody, "chat:lobby", [e(T), e(T), e(T), e(T), e(T)]),
        (&nobody, "feed:x", [ok, e(T), ok, e(NP), e(T)]),
        (&nobody, "eph:x", [e(T), e(T), e(NH), e(NP), e(T)]),
        (&nobody, "user:u1", [e(T), e(T), e(T), e(NP), e(T)]),
        (&nobody, "gone:x", [e(N), e(N), e(N), e(N), e(N)]),
    ];
    for (who, name, expected) in table {
        let answers = answers(&policy, who, name);
        assert_eq!(answers, expected, "{name} by {who:?}");
        let operations: Operations =
            ALL.into_iter().zip(answers).filter(|(_, answer)| answer.is_ok()).map(|(what, _)| what).collect();
        assert_eq!(policy.operations(who, &channel(name)), operations, "{name} by {who:?}");
    }
}

fn service(scopes: &[Scope], channels: Option<&[&str]>) -> Service {
    let settings = ApiKeySettings {
        id: "billing".into(),
        sha256: Some("00".repeat(32)),
        scopes: scopes.to_vec(),
        channels: channels.map(|all| all.iter().map(|text| (*text).to_owned()).collect()),
        ..ApiKeySettings::default()
    };
    settings.service(&tenant(), false).expect("valid").1
}

#[test]
fn services_are_answered_by_scope_and_reach() {
    use Denied::{Namespace as N, NoHistory as NH, NoPresence as NP, Reach as R, Scope as Sc};
    let policy = Policy::new(namespaces());
    let all = service(&[Scope::Publish, Scope::Read, Scope::Users, Scope::Tokens, Scope::Admin], None);
    let publisher = service(&[Scope::Publish], None);
    let reader = service(&[Scope::Read], Some(&["chat:*"]));
    let (ok, e) = (Ok(()), Err);
    let table = [
        // who, channel, [publish, history, presence, moderate]
        (&all, "chat:x", [ok, ok, ok, ok]),
        (&all, "user:u1", [ok, ok, e(NP), ok]),
        (&all, "eph:x", [ok, e(NH), e(NP), ok]),
        (&all, "gone:x", [e(N), e(N), e(N), e(N)]),
        (&publisher, "user:u1", [ok, e(Sc(Scope::Read)), e(Sc(Scope::Read)), e(Sc(Scope::Admin))]),
        (&reader, "chat:x", [e(Sc(Scope::Publish)), ok, ok, e(Sc(Scope::Admin))]),
        (&reader, "shut:x", [e(Sc(Scope::Publish)), e(R), e(NP), e(Sc(Scope::Admin))]),
    ];
    for (who, name, expected) in table {
        let channel = channel(name);
        let answers = [
            policy.service_publish(who, &channel).map(|_| ()),
            policy.service_history(who, &channel).map(|_| ()),
            policy.service_presence(who, &channel).map(|_| ()),
            policy.service_moderate(who, &channel).map(|_| ()),
        ];
        assert_eq!(answers, expected, "{name} by {who:?}");
    }
    assert_eq!(policy.service(&all, Scope::Users), Ok(()));
    assert_eq!(policy.service(&publisher, Scope::Users), Err(Sc(Scope::Users)));
}

#[test]
fn a_permit_says_what_was_allowed_to_whom() {
    let policy = Policy::new(namespaces());
    let lobby = channel("chat:lobby");
    let by_user = policy.publish(&user("u1", None), &lobby).expect("allowed");
    assert_eq!(by_user.channel(), &ChannelKey::new(tenant(), lobby.clone()));
    assert_eq!((by_user.name(), by_user.namespace().log), (&lobby, LogKind::Durable));
    assert_eq!(by_user.publisher().to_string(), "user/u1");
    let by_service = policy.service_publish(&service(&[Scope::Publish], None), &lobby).expect("allowed");
    assert_eq!(by_service.publisher().to_string(), "service/billing");
    assert_eq!((by_user.publisher().user().map(UserId::as_str), by_service.publisher().user()), (Some("u1"), None));
}

#[test]
fn a_reload_changes_answers_and_no_permit() {
    let policy = Policy::new(namespaces());
    let permit = policy.subscribe(&user("u1", None), &channel("chat:a")).expect("allowed");
    policy.reload(Namespaces::default());
    assert_eq!(policy.subscribe(&user("u1", None), &channel("chat:a")).map(|_| ()), Err(Denied::Namespace));
    assert!(permit.namespace().presence);
}

#[test]
fn reasons_have_the_codes_of_the_protocol() {
    let table = [
        (Denied::Namespace, ErrorCode::NotFound),
        (Denied::NoHistory, ErrorCode::NotSupported),
        (Denied::NoPresence, ErrorCode::NotSupported),
        (Denied::TokenNeeded, ErrorCode::Unauthorized),
        (Denied::NotOwner, ErrorCode::Forbidden),
        (Denied::Capability, ErrorCode::Forbidden),
        (Denied::Scope(Scope::Admin), ErrorCode::Forbidden),
        (Denied::Reach, ErrorCode::Forbidden),
    ];
    for (denied, code) in table {
        assert_eq!(denied.code(), code, "{denied}");
    }
}
