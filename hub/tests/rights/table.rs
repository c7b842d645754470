//! Goal: whoever tries an operation gets what the contract says, in every kind of room, and the same over every way in. Method: each
//! cell of the table is tried over the wire, by users over REST, over a socket and by a service in their name, in a room where
//! everybody stands in their place; after a cell that changed something the room is a new one.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use hubbub_protocol::room::Op;

use super::cast::{Cast, Outcome, PEOPLE, Room, Socket, TENANT};
use super::tried::{fields, needs};

/// Who tries, in this order: without a token; the owner's name at another tenant; the owner with a token for other channels alone,
/// and with one that reads; services with the scope `read` alone and `publish` alone; users by their place in the room; a service.
const WHO: &[&str] = &[
    "anonymous",
    "foreign",
    "elsewhere",
    "viewer",
    "reads",
    "writes",
    "banned",
    "stranger",
    "invited",
    "guest",
    "member",
    "moderator",
    "owner",
    "service",
];

/// An operation, a kind of room, and what everybody gets: `+` an answer, `f` forbidden, `n` not found, `u` unauthorized,
/// `s` not supported, `b` a bad request, `.` nobody of that kind is there.
const TABLE: &str = "
create:public           -            u + f f f + + + + + + + + +
create:private          -            u + f f f + + + + + + + + +
create:announcement     -            u + f f f + + + + + + + + +
create:direct           -            u + f f f + + + + + + + + +
create:members          -            u f f f f + f f f f f f f +
create:taken            public       u + f f f f f f f f f f f f
create:taken            private      u + f f f f f f f f f f f f
update                  public       u n f f f f n f f f f + + +
update                  private      u n f f f f n n n f f + + +
update                  announcement u n f f f f n f f f f + + +
update                  direct       u n f f f f . n . . f . . +
configure:slow          public       u n f f f f n f f f f + + +
configure:slow          private      u n f f f f n n n f f + + +
configure:slow          announcement u n f f f f n f f f f + + +
configure:slow          direct       u n f f f f . n . . f . . +
configure:rules         public       u n f f f f n f f f f f + +
configure:rules         private      u n f f f f n n n f f f + +
configure:rules         announcement u n f f f f n f f f f f + +
configure:rules         direct       u n f f f f . n . . f . . +
archive                 public       u n f f f f n f f f f f + +
archive                 private      u n f f f f n n n f f f + +
archive                 announcement u n f f f f n f f f f f + +
archive                 direct       u n f f f f . n . . f . . f
invite:new              public       u n f f f + n f f f + + + +
invite:new              private      u n f f f + n n n f + + + +
invite:new              announcement u n f f f + n f f f + + + +
invite:new              direct       u n f f f f . n . . f . . f
invite:new=moderator    public       u n f f f + n f f f f + + +
invite:new=owner        public       u n f f f + n f f f f f + +
invite:banned           public       u n f f f f n f f f f f f f
join                    public       u n f f f b f + + + + + + b
join                    private      u n f f f b n n + + + + + b
join                    announcement u n f f f b f + + + + + + b
join                    direct       u n f f f b . n . . + . . b
leave                   public       u n f f f b n n + + + + + b
leave                   private      u n f f f b n n + + + + + b
leave                   announcement u n f f f b n n + + + + + b
leave                   direct       u n f f f b n n . . + . . b
add:new                 public       u n f f f f n f f f f + + +
add:new                 private      u n f f f f n n n f f + + +
add:new                 announcement u n f f f f n f f f f + + +
add:new                 direct       u n f f f f . n . . f . . f
add:new=moderator       public       u n f f f f n f f f f + + +
add:new=owner           public       u n f f f f n f f f f f + +
add:banned              public       u n f f f f n f f f f f f f
role:victim=guest       public       u n f f f f n f f f f + + +
role:victim=guest       private      u n f f f f n n n f f + + +
role:victim=guest       announcement u n f f f f n f f f f + + +
role:victim=guest       direct       u n f f f f . n . . f . . f
role:victim=moderator   public       u n f f f f n f f f f f + +
role:victim=owner       public       u n f f f f n f f f f f + +
role:moderator2=member  public       u n f f f f n f f f f f + +
role:owner2=member      public       u n f f f f n f f f f f + +
rooms                   -            u + + + b f + + + + + + + b
room                    public       u n f + + f n + + + + + + +
room                    private      u n f + + f n n + + + + + +
room                    announcement u n f + + f n + + + + + + +
room                    direct       u n f n + f . n . . + . . +
members                 public       u n f + + f n n n + + + + +
members                 private      u n f + + f n n n + + + + +
members                 announcement u n f + + f n n n + + + + +
members                 direct       u n f n + f . n . . + . . +
discover                -            u + + + + f + + + + + + + +
send                    public       u n f f f + n f f + + + + +
send                    private      u n f f f + n n n + + + + +
send                    announcement u n f f f + n f f f f + + +
send                    direct       u n f f f + . n . . + . . +
send:thread             public       u n f f f + n f f + + + + +
send:thread             private      u n f f f + n n n + + + + +
send:thread             announcement u n f f f + n f f f f + + +
send:thread             direct       u n f f f + . n . . + . . +
send:reply              public       u n f f f + n f f + + + + +
send:later              public       u n f f f b n f f + + + + b
send:later              private      u n f f f b n n n + + + + b
send:later              announcement u n f f f b n f f f f + + b
send:later              direct       u n f f f b . n . . + . . b
edit:own                public       u n f f f + n f f + + + + +
edit:own                private      u n f f f + n n n + + + + +
edit:own                announcement u n f f f + n f f f f + + +
edit:own                direct       u n f f f + . n . . + . . +
edit:other              public       u n f f f + n f f f f f f +
edit:other              direct       u n f f f + . n . . f . . +
delete:own              public       u n f f f + n f f + + + + +
delete:own              private      u n f f f + n n n + + + + +
delete:own              announcement u n f f f + n f f + + + + +
delete:own              direct       u n f f f + . n . . + . . +
delete:other            public       u n f f f + n f f f f + + +
delete:other            private      u n f f f + n n n f f + + +
delete:other            announcement u n f f f + n f f f f + + +
delete:other            direct       u n f f f + . n . . f . . +
delete:hard             public       u n f f f + n f f f f + + +
delete:hard             direct       u n f f f + . n . . f . . +
bulk_delete             public       u n f f f f n f f f f + + +
bulk_delete             private      u n f f f f n n n f f + + +
bulk_delete             announcement u n f f f f n f f f f + + +
bulk_delete             direct       u n f f f f . n . . f . . +
unfurl                  public       u n f f f f n f f f f f f +
unfurl                  private      u n f f f f n n n f f f f +
pin                     public       u n f f f f n f f f f + + +
pin                     private      u n f f f f n n n f f + + +
pin                     announcement u n f f f f n f f f f + + +
pin                     direct       u n f f f f . n . . + . . +
react                   public       u n f f f b n f f + + + + b
react                   private      u n f f f b n n n + + + + b
react                   announcement u n f f f b n f f + + + + b
react                   direct       u n f f f b . n . . + . . b
typing                  public       u n f f f f n f f + + + + f
typing                  private      u n f f f f n n n + + + + f
typing                  announcement u n f f f f n f f f f + + f
typing                  direct       u n f f f f . n . . + . . f
messages                public       u n f + + f n + + + + + + +
messages                private      u n f + + f n n n + + + + +
messages                announcement u n f + + f n + + + + + + +
messages                direct       u n f n + f . n . . + . . +
message                 public       u n f + + f n + + + + + + +
message                 private      u n f + + f n n n + + + + +
message                 announcement u n f + + f n + + + + + + +
message                 direct       u n f n + f . n . . + . . +
versions                public       u n f + + f n n n + + + + +
versions                private      u n f + + f n n n + + + + +
versions                announcement u n f + + f n n n + + + + +
versions                direct       u n f n + f . n . . + . . +
scheduled               public       u + f + b f + + + + + + + b
scheduled               private      u + f + b f + + + + + + + b
scheduled               announcement u + f + b f + + + + + + + b
scheduled               direct       u + f + b f . + . . + . . b
scheduled:all           -            u + + + b f + + + + + + + b
unschedule:own          public       u n f f f b + + + + + + + b
unschedule:other        public       u n f f f b n n n n n n n b
unschedule:other        private      u n f f f b n n n n n n n b
search                  public       u n f + + f n + + + + + + +
search                  private      u n f + + f n n n + + + + +
search                  announcement u n f + + f n + + + + + + +
search                  direct       u n f n + f . n . . + . . +
search:all              -            u + + + b f + + + + + + + b
follow                  public       u n f f f b n f f + + + + b
follow                  private      u n f f f b n n n + + + + b
follow                  announcement u n f f f b n f f + + + + b
follow                  direct       u n f f f b . n . . + . . b
threads                 -            u + + + b f + + + + + + + b
read                    public       u n f f f b n f f + + + + b
read                    private      u n f f f b n n n + + + + b
read                    announcement u n f f f b n f f + + + + b
read                    direct       u n f f f b . n . . + . . b
notify                  public       u n f f f b n f f + + + + b
notify                  private      u n f f f b n n n + + + + b
notify                  announcement u n f f f b n f f + + + + b
notify                  direct       u n f f f b . n . . + . . b
dnd                     -            u + f f f b + + + + + + + b
receipts                public       u n f s s f n n n s s s s s
receipts                private      u n f + + f n n n + + + + +
receipts                announcement u n f s s f n n n s s s s s
receipts                direct       u n f n + f . n . . + . . +
mute:victim             public       u n f f f f n f f f f + + +
mute:victim             private      u n f f f f n n n f f + + +
mute:victim             announcement u n f f f f n f f f f + + +
mute:victim             direct       u n f f f f . n . . f . . +
mute:moderator2         public       u n f f f f n f f f f f + +
mute:owner2             public       u n f f f f n f f f f f + +
kick:victim             public       u n f f f f n f f f f + + +
kick:victim             private      u n f f f f n n n f f + + +
kick:victim             announcement u n f f f f n f f f f + + +
kick:victim             direct       u n f f f f . n . . f . . f
kick:moderator2         public       u n f f f f n f f f f f + +
kick:owner2             public       u n f f f f n f f f f f + +
ban:victim              public       u n f f f f n f f f f + + +
ban:victim              private      u n f f f f n n n f f + + +
ban:victim              announcement u n f f f f n f f f f + + +
ban:victim              direct       u n f f f f . n . . f . . f
ban:moderator2          public       u n f f f f n f f f f f + +
ban:owner2              public       u n f f f f n f f f f f + +
ban:new                 public       u n f f f f n f f f f + + +
unban:banned            public       u n f f f f n f f f f + + +
unban:banned            private      u n f f f f n n n f f + + +
unban:victim            public       u n f f f f n f f f f + + +
shadow_ban:victim       public       u n f f f f n f f f f + + +
shadow_ban:victim       private      u n f f f f n n n f f + + +
shadow_ban:victim       announcement u n f f f f n f f f f + + +
shadow_ban:victim       direct       u n f f f f . n . . f . . +
shadow_ban:owner2       public       u n f f f f n f f f f f + +
filters                 public       u n f f f f n f f f f + + +
filters                 private      u n f f f f n n n f f + + +
filters                 announcement u n f f f f n f f f f + + +
filters                 direct       u n f f f f . n . . f . . +
filters:set             public       u n f f f f n f f f f + + +
filters:set             private      u n f f f f n n n f f + + +
filters:set             announcement u n f f f f n f f f f + + +
filters:set             direct       u n f f f f . n . . f . . +
report                  public       u n f f f + n + + + + + + +
report                  private      u n f f f + n n n + + + + +
report                  announcement u n f f f + n + + + + + + +
report                  direct       u n f f f + . n . . + . . +
reports                 public       u n f f f f n f f f f + + +
reports                 private      u n f f f f n n n f f + + +
reports                 announcement u n f f f f n f f f f + + +
reports                 direct       u n f f f f . n . . f . . +
resolve                 public       u n f f f f n f f f f + + +
resolve                 private      u n f f f f n n n f f + + +
resolve                 announcement u n f f f f n f f f f + + +
resolve                 direct       u n f f f f . n . . f . . +
audit                   public       u n f f f f n f f f f + + +
audit                   private      u n f f f f n n n f f + + +
audit                   announcement u n f f f f n f f f f + + +
audit                   direct       u n f f f f . n . . f . . +
audit:all               -            u n n n f f n n n n n n n +
inbox                   -            u + f f b f + + + + + + + b
inbox_read              -            u + f f f b + + + + + + + b
";

/// The ways in of a user: their token on the public port, a socket, and a service in their name.
const WAYS: &[&str] = &["REST", "socket", "as"];

/// Rows that are tried at the same time.
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_what_the_table_says() {
    let tried: BTreeSet<&str> = rows().map(|row| row.op()).collect();
    assert_eq!(tried, Op::NAMES.iter().copied().collect(), "every operation is in the table");
    let cast = Arc::new(Cast::start().await);
    let wrong: Vec<(usize, String)> = stream::iter(rows())
        .map(|row| {
            let cast = Arc::clone(&cast);
            tokio::spawn(async move { Trial::of(&cast, row).await.run().await })
        })
        .buffered(AT_ONCE)
        .map(|row| row.expect("a row"))
        .collect()
        .await;
    let cells: usize = wrong.iter().map(|(cells, _)| cells).sum();
    let wrong: String = wrong.into_iter().map(|(_, wrong)| wrong).collect();
    assert!(wrong.is_empty(), "not as the table says; the first line of each is what came:\n{wrong}");
    println!(
        "figure: rights: {} operations, {} rows, {cells} cells: all as the table says",
        tried.len(),
        rows().count()
    );
}

#[derive(Clone, Copy)]
struct Row {
    label: &'static str,
    kind: &'static str,
    marks: &'static str,
}

impl Row {
    fn op(&self) -> &'static str {
        self.label.split(':').next().unwrap_or(self.label)
    }

    /// What somebody is to get.
    fn mark(&self, who: usize) -> char {
        self.marks.split_whitespace().nth(who).and_then(|mark| mark.chars().next()).expect("a mark for everybody")
    }
}

fn rows() -> impl Iterator<Item = Row> {
    TABLE.lines().filter(|line| !line.is_empty()).map(|line| {
        let (label, rest) = line.split_once(' ').expect("an operation");
        let (kind, marks) = rest.trim_start().split_once(' ').expect("a kind");
        Row { label, kind, marks }
    })
}

/// One row on its way.
struct Trial<'c> {
    cast: &'c Cast,
    row: Row,
    room: Room,
    sockets: HashMap<&'static str, Socket>,
    cells: usize,
    wrong: String,
    every_way: bool,
    turn: usize,
}

impl<'c> Trial<'c> {
    async fn of(cast: &'c Cast, row: Row) -> Self {
        let room = fresh(cast, row).await;
        Self {
            cast,
            row,
            room,
            sockets: HashMap::new(),
            cells: 0,
            wrong: String::new(),
            every_way: std::env::var_os("HUBBUB_RIGHTS_ROUNDS").is_some(),
            turn: row.label.len(),
        }
    }

    async fn run(mut self) -> (usize, String) {
        let mut found = String::new();
        for (place, who) in WHO.iter().enumerate() {
            let expected = self.row.mark(place);
            let got = if expected == '.' { '.' } else { self.cell(who, expected).await };
            let _ = write!(found, " {got}");
        }
        if !self.wrong.is_empty() {
            self.wrong = format!("{:<24}{:<13}{}\n{}", self.row.label, self.row.kind, found.trim_start(), self.wrong);
        }
        (self.cells, self.wrong)
    }

    async fn cell(&mut self, who: &'static str, expected: char) -> char {
        let all_ways = if PEOPLE.contains(&who) { WAYS } else { &WAYS[..1] };
        // Every way in the show; else each in turn.
        self.turn += 1;
        let ways = if self.every_way { all_ways } else { &all_ways[self.turn % all_ways.len()..][..1] };
        let mut all = Vec::new();
        for way in ways {
            let outcome = self.tried(who, way).await;
            let got = mark(&outcome);
            if got != expected {
                let _ = writeln!(self.wrong, "    {who} by {way}: {expected} was expected: {outcome:?}");
            }
            if outcome.is_ok() && !leaves_it_as_it_is(self.row.op()) {
                self.room = fresh(self.cast, self.row).await;
            }
            self.cells += 1;
            all.push(got);
        }
        all[0]
    }

    async fn tried(&mut self, who: &'static str, way: &str) -> Outcome {
        let user = if PEOPLE.contains(&who) { who } else { "owner" };
        let (op, body, cast) = (self.row.op(), fields(self.row.label, &self.room, user), self.cast);
        match (who, way) {
            ("anonymous", _) => cast.by_token(None, op, &body).await,
            ("foreign", _) => cast.by_token(Some(&cast.foreign_token("owner")), op, &body).await,
            ("elsewhere", _) => {
                cast.by_token(Some(&cast.narrow_token("owner", "chat:*", &["history", "publish"])), op, &body).await
            }
            ("viewer", _) => {
                cast.by_token(Some(&cast.narrow_token("owner", "room:*", &["history", "subscribe"])), op, &body).await
            }
            ("reads" | "writes", _) => cast.by_key(TENANT, who, op, &body).await,
            ("service", _) => cast.by_key(TENANT, "all", op, &body).await,
            (user, "REST") => cast.by_token(Some(&cast.token(user)), op, &body).await,
            (user, "as") => cast.as_user(user, op, &body).await,
            (user, _) => {
                if !self.sockets.contains_key(user) {
                    self.sockets.insert(user, cast.socket(&cast.token(user)).await);
                }
                self.sockets.get_mut(user).expect("just there").room(op, &body).await
            }
        }
    }
}

/// What changes nothing in the room.
fn leaves_it_as_it_is(op: &str) -> bool {
    matches!(
        op,
        "rooms" | "room" | "members" | "discover" | "messages" | "message" | "versions" | "scheduled" | "search"
    ) || matches!(
        op,
        "threads" | "receipts" | "reports" | "audit" | "inbox" | "typing" | "create" | "dnd" | "inbox_read"
    )
}

async fn fresh(cast: &Cast, row: Row) -> Room {
    cast.room(if row.kind == "-" { "public" } else { row.kind }, needs(row.label)).await
}

/// The letter of what came.
pub(crate) fn mark(outcome: &Outcome) -> char {
    let Err(error) = outcome else { return '+' };
    match error.split(':').next().unwrap_or_default() {
        "forbidden" => 'f',
        "not_found" => 'n',
        "unauthorized" => 'u',
        "not_supported" => 's',
        "bad_request" => 'b',
        _ => '!',
    }
}
