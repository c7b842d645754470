//! A round: a fleet on one form of Redis, readers and writers, faults until time is up, and a quiet end in which everybody must
//! have everything. What is known afterwards goes to the checker.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use crate::api::Api;
use crate::audit;
use crate::balancer::Balancer;
use crate::checker::{History, Kind, Publication};
use crate::fleet::{Fleet, SharedPostgres};
use crate::notes::{Channel, Notes, Page, Place};
use crate::plan::{Fault, Form, Planned, plan};
use crate::readers::{Positions, Readers};
use crate::writers::Writers;

/// What a round is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) number: usize,
    pub(crate) form: Form,
    pub(crate) seed: u64,
    /// How long things break.
    pub(crate) length: Duration,
    /// The last one looks at durable logs from their beginning.
    pub(crate) last: bool,
}

/// What goes from round to round, since Postgres stays.
#[derive(Default)]
pub(crate) struct Carried {
    pub(crate) positions: Positions,
    /// Where durable logs ended.
    pub(crate) heads: HashMap<Channel, u64>,
    /// Everything that was acknowledged on durable channels.
    pub(crate) durable: Vec<Publication>,
}

/// What a round leaves behind.
pub(crate) struct Outcome {
    pub(crate) history: History,
    pub(crate) notes: Arc<Notes>,
    pub(crate) pages: Vec<Arc<Page>>,
    pub(crate) faults: BTreeMap<Fault, usize>,
    pub(crate) cut: usize,
    /// How long after the last repair every reader had everything, if in time.
    pub(crate) converged: Option<Duration>,
    /// When the round was under way, when everything was whole again, when the last publish was answered, and when it was over.
    pub(crate) times: [Duration; 4],
    /// What the nodes said, when it may be needed.
    pub(crate) logs: Vec<String>,
}

/// Plays a round.
pub(crate) async fn play(task: Task, postgres: Option<SharedPostgres>, carried: &mut Carried) -> Outcome {
    let (form, begun) = (task.form, Instant::now());
    let fleet = spawn_blocking(move || Fleet::start(form, postgres.as_ref())).await.expect("no panic");
    let fleet = Arc::new(fleet.unwrap_or_else(|error| panic!("{form:?} does not start: {error}")));
    let balancer = Balancer::start(fleet.public()).await;
    let (api, notes) = (Api::new(fleet.internal()), Arc::new(Notes::new()));
    let mut readers = Readers::start(task.seed, task.number, &balancer.ws(), &carried.positions, &notes).await;
    let writers = Writers::start(task.seed, task.number, &balancer.ws(), &api, &notes).await;
    let started = begun.elapsed();
    let (faults, cut) = break_things(task, &fleet, &balancer, &notes).await;
    let whole = begun.elapsed();

    notes.incident("everything is whole again".into());
    notes.stop_napping.store(true, Ordering::Relaxed);
    notes.stop_writing.store(true, Ordering::Relaxed);
    writers.end().await;
    notes.incident("nothing is published any more".into());
    let quiet = begun.elapsed();
    let after = if task.last { HashMap::new() } else { carried.heads.clone() };
    let logs = async {
        audit::ring(task.number, &api, &notes).await?;
        audit::logs(task.number, &api, &after, &notes).await
    };
    let logs = logs.await.unwrap_or_else(|why| {
        notes.surprised(format!("whole again, and yet: {why}"));
        Vec::new()
    });
    let converged = audit::convergence(&readers.pages, &logs).await;
    readers.end().await;
    let times = [started, whole, quiet, begun.elapsed()];
    let panics = fleet.panics();
    panics.into_iter().for_each(|line| notes.surprised(format!("a node panicked: {line}")));

    let pages = std::mem::take(&mut readers.pages);
    let history = gather(task, &notes, &pages, logs, carried);
    let logs = fleet.logs();
    spawn_blocking(move || drop(fleet)).await.expect("no panic");
    Outcome { history, notes, pages, faults, cut, converged, times, logs }
}

/// Does what the schedule says; answers when everything is repaired.
async fn break_things(
    task: Task,
    fleet: &Arc<Fleet>,
    balancer: &Balancer,
    notes: &Arc<Notes>,
) -> (BTreeMap<Fault, usize>, usize) {
    let (begun, mut under_way) = (Instant::now(), JoinSet::new());
    let (mut faults, mut cut) = (BTreeMap::new(), 0);
    for planned in plan(task.seed, task.form, task.form.nodes(), task.length) {
        sleep(planned.at.saturating_sub(begun.elapsed())).await;
        *faults.entry(planned.fault).or_default() += 1;
        if planned.fault == Fault::Cut {
            cut += cut_some(balancer, notes);
            continue;
        }
        let (fleet, notes) = (Arc::clone(fleet), Arc::clone(notes));
        under_way.spawn_blocking(move || suffer(&fleet, &planned, &notes));
    }
    sleep(task.length.saturating_sub(begun.elapsed())).await;
    under_way.join_all().await;
    (faults, cut)
}

fn cut_some(balancer: &Balancer, notes: &Notes) -> usize {
    let count = balancer.cut(rand::random_range(0.05..0.5));
    notes.incident(format!("{count} sockets are cut"));
    count
}

fn suffer(fleet: &Fleet, planned: &Planned, notes: &Notes) {
    let Planned { fault, victim, lasts, .. } = planned;
    notes.incident(format!("{fault:?} of {victim:?} for {lasts:?}"));
    match fleet.suffer(planned) {
        Ok(()) => notes.incident(format!("{victim:?} is whole again")),
        Err(error) => notes.surprised(format!("{fault:?} of {victim:?}: {error}")),
    }
}

/// Puts everything together for the checker, and keeps what the next round needs.
fn gather(
    task: Task,
    notes: &Notes,
    pages: &[Arc<Page>],
    logs: Vec<crate::checker::Log>,
    carried: &mut Carried,
) -> History {
    let now: Vec<Publication> = notes.publications().into_iter().map(|(_, publication)| publication).collect();
    let durable: Vec<String> =
        logs.iter().filter(|log| log.kind == Kind::Durable).map(|log| log.channel.clone()).collect();
    carried.durable.extend(now.iter().filter(|publication| durable.contains(&publication.channel)).cloned());
    let publications = if task.last {
        let windows = now.into_iter().filter(|publication| !durable.contains(&publication.channel));
        windows.chain(carried.durable.iter().cloned()).collect()
    } else {
        now
    };
    let heads: HashMap<&str, u64> = logs.iter().map(|log| (log.channel.as_str(), log.head.offset)).collect();
    for channel in audit::channels(task.number).filter(|channel| channel.kind == Place::Durable) {
        carried.heads.extend(heads.get(channel.name().as_str()).map(|head| (channel, *head)));
    }
    for page in pages.iter().filter(|page| page.channel.kind == Place::Durable) {
        carried.positions.extend(page.position().map(|position| ((page.reader.clone(), page.channel), position)));
    }
    let readings = pages.iter().map(|page| page.reading()).collect();
    History { publications, readings, logs, faults: notes.faults.load(Ordering::Relaxed) }
}
