//! Goal: no statement about records reads more than it answers, whatever the planner knows. Method: a few thousand records with
//! statistics, and tables that were made just now; the server explains every statement that runs, those inside functions too
//! (`auto_explain`), as the node's role and under the node's settings, and each plan must step into the index that is named here.

use std::sync::Arc;

use hubbub_local::postgres::{Options, Postgres as Server};
use hubbub_persistence::postgres::migrate;
use hubbub_persistence::records::scripted::{Scripted, event};
use hubbub_persistence::records::{
    Act, Kind, List, Look, Question, Record, RecordKey, Records, Search, SearchIn, Verdict,
};
use hubbub_persistence::{Postgres, ReadFrom, Store};
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::{Data, Key, MessageId};

use super::fixture::{channel, open, tenant};

const ROOMS: u64 = 40;
const EACH: u64 = 60;

/// A server that explains.
async fn empty() -> (Server, Postgres) {
    let options = Options::default()
        .setting("session_preload_libraries", "auto_explain")
        .setting("auto_explain.log_min_duration", "0")
        .setting("auto_explain.log_nested_statements", "on");
    let server = Server::start(options).expect("a server, with the modules that come with it");
    migrate(&server.owner_url(), "hubbub").await.expect("migrated");
    let store = open(&server, 1).await;
    (server, store)
}

/// Puts records of every kind.
async fn fill(store: &Postgres) {
    let waiting: Vec<_> = (0..ROOMS).map(|room| store.act(filling(room))).collect();
    for acted in waiting {
        acted.await.expect("acted");
    }
}

fn room(number: u64) -> ChannelKey {
    channel(&format!("room:{number}"))
}

fn user(number: u64) -> UserId {
    UserId::parse(&format!("u{number}")).expect("a user")
}

fn record(room: u64, kind: Kind, number: u64) -> Record {
    Record {
        key: RecordKey { home: self::room(room), kind, key: format!("{number:03}") },
        group: ["a", "b", "joined"][number as usize % 3].into(),
        at: number,
        who: Some(user(number)),
        text: Some(format!("common word{number} in room{room}")),
        body: "{}".into(),
    }
}

fn id(number: u64) -> MessageId {
    MessageId::from_parts(number, 0)
}

fn filling(room: u64) -> Arc<dyn Act> {
    Arc::new(Scripted::new(&[self::room(room)], 1, id(room), move |view| {
        for kind in Kind::ALL {
            // There is one room, and there are few reports, in each.
            let count =
                if matches!(kind, Kind::Message | Kind::Member | Kind::Mention | Kind::Reaction) { EACH } else { 3 };
            (0..count).for_each(|number| view.put(record(room, *kind, number)));
        }
        let said = event(&self::room(room), id(room), Data::parse("1".into()).expect("json"));
        Ok(Verdict { events: vec![said], ..Verdict::default() })
    }))
}

/// A step into an index: its name, and what stands in its condition.
type Step = (&'static str, &'static [&'static str]);

const STEPS: &[Step] = &[
    // Lists: of a group in both directions, by key, about a user in all homes and in some, over all channels.
    ("Index Scan using records_message_by_group", &["tenant = ", "home = ", "grp = ", "at > "]),
    ("Index Scan Backward using records_message_by_group", &["tenant = ", "home = ", "grp = ", "at < "]),
    ("Index Scan using records_member_pkey", &["tenant = ", "home = ", "kind = ", "key > "]),
    ("records_audit_by_user", &["tenant = ", "who = ", "ROW(home, key) > "]),
    ("records_member_by_user", &["tenant = ", "who = ", "ROW(home, key) > "]),
    ("records_member_by_user", &["tenant = ", "who = ", "home = "]),
    ("Index Scan using records_room_everywhere", &["tenant = ", "grp = ", "home > "]),
    ("Index Scan Backward using records_audit_placed", &["tenant = ", "grp = ", "at < "]),
    // By name.
    ("records_person_pkey", &["tenant = ", "home = ", "kind = ", "key = "]),
    // Search: the words, all of a small room, what was found, and which rooms somebody has joined.
    ("Bitmap Index Scan on records_message_words", &["words @@ "]),
    ("using records_message_pkey", &["tenant = ", "home = ", "kind = 3"]),
    ("using records_message_pkey", &["tenant = ", "home = ", "kind = 3", "key = "]),
    ("records_member_by_user", &["tenant = ", "who = "]),
    // Jobs.
    ("Index Scan using records_task_due", &["at <= "]),
    // What acts ask.
    ("records_filter_pkey", &["tenant = ", "home = ", "kind = ", "key = "]),
    ("Index Scan Backward using records_mention_by_group", &["tenant = ", "home = ", "grp = ", "at <= "]),
    ("Index Scan using records_reaction_by_group", &["tenant = ", "home = ", "grp = "]),
    // What they remove.
    ("records_version_pkey", &["tenant = ", "home = ", "kind = ", "key = "]),
    // What their erasures forget.
    ("keys_0_pkey", &["slot = ", "channel_id = ", "scope = "]),
];

/// Each form of what may be asked, by an act of this number too. How much the question with the fewest answers had.
async fn ask_everything(store: &Postgres, number: u64) -> usize {
    let (home, kind, group, limit) = (room(3), Kind::Message, "a".to_owned(), 10);
    let grouped = |from| List::Group { home: room(3), kind, group: "a".into(), from, limit };
    let lists = vec![
        grouped(ReadFrom::Before(9)),
        grouped(ReadFrom::After(9)),
        List::Keys { home: home.clone(), kind: Kind::Member, group: None, after: String::new(), limit },
        List::User { who: user(3), kind: None, homes: Vec::new(), after: None, limit: 1_000 },
        List::User { who: user(3), kind: Some(Kind::Member), homes: vec![home.clone()], after: None, limit },
        List::Everywhere { kind: Kind::Room, group: group.clone(), after: None, limit },
        List::Placed { kind: Kind::Audit, group, from: ReadFrom::Before(9), limit },
    ];
    let keys = vec![record(3, Kind::Person, 1).key];
    let looked = store.look(&tenant("acme"), Look { heads: vec![home.clone()], keys, lists }).await.expect("looked");
    let mut found = looked.lists.iter().map(Vec::len).min().unwrap_or_default();
    for within in [SearchIn::Channel(home.clone()), SearchIn::JoinedBy(user(2))] {
        let words = "common word1".into();
        let search = Search { tenant: tenant("acme"), words, within, from: None, skip: 0, limit };
        found = found.min(store.search(search).await.expect("searched").len());
    }
    found = found.min(store.due(5, 10).await.expect("due").len());
    let key = Key::parse(&format!("k{number}")).expect("a key");
    let act = Scripted::new(std::slice::from_ref(&home), 2, id(number), move |view| {
        let reactions = Question::Group { home: room(3), kind: Kind::Reaction, group: "a".into() };
        view.want([reactions, Question::Key(record(3, Kind::Filter, 0).key)])?;
        view.last(&room(3), Kind::Mention, "a", 30)?;
        view.put(record(3, Kind::Room, 0));
        view.remove(record(3, Kind::Version, 1).key);
        let said = event(&room(3), id(number), Data::parse("1".into()).expect("json"));
        Ok(Verdict { erased: vec![1, 2], events: vec![said], ..Verdict::default() })
    });
    store.act(Arc::new(act.keyed(key, b"what it says"))).await.expect("acted");
    found
}

/// The plans of statements, as lines of the log.
struct Plans(String);

impl Plans {
    /// From where on to read.
    fn length(server: &Server) -> usize {
        log(server).len()
    }

    fn since(server: &Server, from: usize) -> Self {
        Self(log(server).split_off(from))
    }

    fn step_into(&self, steps: &[Step]) {
        let lines: Vec<&str> = self.0.lines().collect();
        for (index, condition) in steps {
            let steps = lines.windows(2).filter(|pair| {
                let (scan, under) = (pair[0], pair[1]);
                scan.contains(index)
                    && under.contains("Index Cond")
                    && condition.iter().all(|part| under.contains(part))
            });
            assert!(steps.count() > 0, "{index} with {condition:?}: {}", self.0);
        }
    }

    /// What an index does not narrow down is read for nothing. The kind is that of the partition; of a small room search reads
    /// everything.
    fn read_nothing_in_vain(&self, known: &[&str]) {
        let known = [&["Filter: (kind = ", "(tenant || ''", "(who || ''", "(grp || ''"], known].concat();
        let lines: Vec<&str> = self.0.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let of_ours = ["records", "channels"].iter().any(|table| line.contains(table));
            assert!(!(line.contains("Seq Scan") && of_ours), "{line}");
            assert!(!line.contains("JIT:"), "{}", self.0);
            let looked_up = ["name", "home", "key", ".id"].iter().any(|column| line.contains(column));
            let compared = line.trim_start().starts_with("Join Filter: ") && looked_up;
            assert!(!compared, "{line}: {}", self.0);
            let scans_records =
                lines[number.saturating_sub(2)..number].iter().any(|above| above.contains("on records_"));
            if line.trim_start().starts_with("Filter: ") && scans_records {
                assert!(known.iter().any(|known| line.contains(known)), "{line}: {}", self.0);
            }
        }
    }
}

fn log(server: &Server) -> String {
    std::fs::read_to_string(server.folder().join("postgres.log")).expect("the log")
}

#[tokio::test]
async fn every_statement_steps_into_an_index() {
    let (server, store) = empty().await;
    fill(&store).await;
    server.psql("ANALYZE").expect("analyzed");
    let from = Plans::length(&server);
    assert!(ask_everything(&store, 1_000).await > 0);
    store.close().await;
    let plans = Plans::since(&server, from);
    plans.step_into(STEPS);
    plans.read_nothing_in_vain(&[]);
}

/// Plans that were made of empty tables are kept while they fill.
#[tokio::test]
async fn every_statement_steps_into_an_index_of_tables_without_statistics() {
    let (server, store) = empty().await;
    let from = Plans::length(&server);
    assert_eq!(ask_everything(&store, 1_000).await, 0);
    fill(&store).await;
    assert!(ask_everything(&store, 1_001).await > 0);
    store.close().await;
    let plans = Plans::since(&server, from);
    // Lists over all channels, and of a user, are planned anew each time: of next to nothing any index is as good.
    let anew = |step: &&Step| step.0.contains("everywhere") || step.0.contains("by_user");
    let kept: Vec<Step> = STEPS.iter().filter(|step| !anew(step)).copied().collect();
    plans.step_into(&kept);
    plans.read_nothing_in_vain(&["Filter: (grp = ", "Filter: (who = "]);
}
