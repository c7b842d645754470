//! Fences: which files may know which names. The table is the import table of `docs/ARCHITECTURE.md` in code.

use super::judge::{Finding, demand_none};
use super::lexer;
use super::repository::{File, file, rust};

/// Names, and who may know them.
struct Fence {
    /// Names that must not be known, as the beginning or the end of a path.
    names: &'static [&'static str],
    /// Where the fence stands: in files below one of these.
    within: &'static [&'static str],
    /// Who may know them all the same: files below one of these.
    except: &'static [&'static str],
    /// Why.
    why: &'static str,
}

const HUB: &[&str] = &["hub/src/"];
const MESSAGE_PATH: &[&str] = &["hub/src/session/", "hub/src/publish.rs", "hub/src/deliver/"];

const FENCES: &[Fence] = &[
    Fence {
        names: &["axum", "hyper", "hyper_util", "http_body", "http_body_util", "tower", "tower_http"],
        within: HUB,
        except: &["hub/src/transport/", "hub/src/api/"],
        why: "only transports and the internal API know HTTP",
    },
    Fence {
        names: &["sqlx"],
        within: &[""],
        except: &[
            "persistence/src/sqlite/",
            "persistence/src/postgres/",
            "persistence/tests/",
            "persistence/examples/postgres_layout.rs",
            "persistence/build.rs",
        ],
        why: "only the backends of persistence know sqlx",
    },
    Fence {
        names: &["fred"],
        within: HUB,
        except: &["hub/src/redis/", "hub/src/broker/redis/", "hub/src/presence/redis.rs", "hub/src/rate/redis.rs"],
        why: "only what speaks with Redis knows its client",
    },
    Fence {
        names: &["hubbub_persistence::sqlite", "hubbub_persistence::Sqlite", "hubbub_persistence::postgres"],
        within: HUB,
        except: &["hub/src/cli/"],
        why: "the backend is chosen at the composition root; everybody else has the trait",
    },
    Fence {
        names: &[
            "axum",
            "hyper",
            "hyper_util",
            "tokio::net",
            "std::net",
            "std::os",
            "socket2",
            "tungstenite",
            "TcpStream",
        ],
        within: MESSAGE_PATH,
        except: &[],
        why: "session, publish and deliver never see a socket",
    },
    Fence {
        names: &["crate::transport", "crate::api", "crate::node", "crate::cli"],
        within: &[
            "hub/src/session/",
            "hub/src/publish.rs",
            "hub/src/deliver/",
            "hub/src/shard/",
            "hub/src/broker/",
            "hub/src/auth/",
        ],
        except: &[],
        why: "the message path does not know who drives it",
    },
    Fence {
        names: &[
            "Permit::new",
            "Publish::by",
            "Subscribe::leave",
            "History::leave",
            "Presence::leave",
            "Moderate::leave",
        ],
        within: HUB,
        except: &["hub/src/auth/policy.rs"],
        why: "only the policy makes permits",
    },
    Fence {
        names: &["crate::config"],
        within: HUB,
        except: &["hub/src/config/", "hub/src/cli/"],
        why: "values are handed down; nobody reaches for the configuration",
    },
    Fence {
        names: &["serde_json"],
        within: &[
            "hub/src/session/",
            "hub/src/shard/",
            "hub/src/deliver/",
            "hub/src/broker/",
            "hub/src/publish.rs",
            "hub/src/encoded.rs",
            "hub/src/outbox.rs",
            "hub/src/presence/",
            "hub/src/transport/",
        ],
        except: &[],
        why: "frames are written in protocol alone",
    },
    Fence {
        names: &["tokio", "rand", "std::net", "std::fs", "std::time", "std::thread", "std::env"],
        within: &["protocol/src/"],
        except: &[],
        why: "the wire language has no runtime, no I/O, no clock and no dice",
    },
    Fence { names: &["SystemTime"], within: HUB, except: &["hub/src/clock.rs"], why: "time comes in as a parameter" },
    Fence {
        names: &["reqwest"],
        within: HUB,
        except: &["hub/src/auth/", "hub/src/cli/", "hub/src/config/check.rs", "hub/src/rooms/platform.rs"],
        why: "the hub calls others for their token keys and what the platform of a tenant wants to know, nothing else",
    },
];

#[test]
fn nobody_knows_what_is_not_theirs() {
    let mut findings = Vec::new();
    for file in rust() {
        let fences: Vec<_> = FENCES.iter().filter(|fence| fence.stands_before(file)).collect();
        if fences.is_empty() {
            continue;
        }
        let paths = lexer::paths(&file.production());
        for fence in fences {
            let known = paths.iter().filter(|path| fence.names.iter().any(|name| names(path, name)));
            findings.extend(known.map(|path| Finding::new(&file.path, format!("names `{path}`: {}", fence.why))));
        }
    }
    demand_none(findings);
}

#[test]
fn only_persistence_depends_on_sqlx() {
    let manifests = super::repository::files().iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    let others = manifests.filter(|file| file.path != "persistence/Cargo.toml" && file.text.contains("\nsqlx"));
    demand_none(others.map(|file| Finding::new(&file.path, "depends on sqlx")).collect());
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let workspace: toml::Table = file("Cargo.toml").text.parse().expect("the workspace is TOML");
    let members = workspace["workspace"]["members"].as_array().expect("a list of members");
    for member in members {
        let manifest = format!("{}/Cargo.toml", member.as_str().expect("a path"));
        let lints = "[lints]\nworkspace = true";
        assert!(file(&manifest).text.contains(lints), "{manifest}: `{lints}` is missing");
    }
    let lints = workspace["workspace"]["lints"]["rust"].clone();
    assert_eq!(lints["unsafe_code"].as_str(), Some("forbid"), "unsafe stays forbidden");
}

impl Fence {
    fn stands_before(&self, file: &File) -> bool {
        let below = |folders: &[&str]| folders.iter().any(|folder| file.path.starts_with(folder));
        below(self.within) && !below(self.except)
    }
}

/// Whether a path is the name, lies below it, or ends with it.
fn names(path: &str, name: &str) -> bool {
    let below = path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    below || path.strip_suffix(name).is_some_and(|rest| rest.ends_with("::")) || path.contains(&format!("::{name}::"))
}

#[test]
fn fences_hold() {
    assert!(names("axum::Router", "axum") && names("axum", "axum") && !names("axum_extra::Form", "axum"));
    assert!(names("crate::auth::permit::Permit::new", "Permit::new") && names("Permit::new", "Permit::new"));
    assert!(names("std::time::SystemTime::now", "SystemTime") && !names("hubbub_protocol::Message", "tokio"));
    let file = |path: &str| File { path: path.into(), text: String::new() };
    assert!(
        FENCES[0].stands_before(&file("hub/src/session/mod.rs"))
            && !FENCES[0].stands_before(&file("hub/src/api/mod.rs"))
    );
}
