//! Processes with the people of a scenario, since one process may open only so many files: this program again, told what to do
//! line by line on its input. Read in this order: the [`lines`], the process ([`member`]), and here who started it.

pub mod lines;
pub mod member;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::ChildStdin;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use self::lines::{Account, Job, Line, Order, TargetJob, Tick};
use crate::people::{Process, histogram};
use crate::plan::Scenario;
use crate::tls::Trust;
use crate::worker::empty_latency;
use crate::{LoadError, during};

/// People in one process; it may open 20,000 files.
const PEOPLE_PER_PROCESS: usize = 15_000;
/// Lines of a process that may wait; more wait in its pipe.
const LINES: usize = 256;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where and as whom people connect.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// The public ports.
    pub publics: Vec<SocketAddr>,
    /// The secret of tokens.
    pub secret: String,
    /// Its name.
    pub kid: String,
    /// How many may be opening at once.
    pub in_flight: usize,
    /// At least so many processes.
    pub workers: usize,
    /// What is not a hub.
    pub target: Option<TargetJob>,
    /// How requests call the server; by default by its address.
    pub host: Option<String>,
    /// With TLS: which server, and whom to believe that it is it.
    pub trust: Option<Trust>,
}

/// All people of a run.
#[derive(Debug)]
pub struct Crew {
    members: Vec<Member>,
    people: u64,
    /// Latencies since they were taken the last time, in nanoseconds.
    lately: Histogram<u64>,
}

#[derive(Debug)]
struct Member {
    // Dropped in this order: a process ends when its input does, and is killed if not.
    input: Option<ChildStdin>,
    process: Process,
    lines: Receiver<Line>,
    tick: Tick,
    heads: Option<Vec<(usize, u64)>>,
    account: Option<Account>,
}

impl Crew {
    /// Starts the processes, which begin to open.
    pub fn start(scenario: &Scenario, entrance: &Entrance, zero_unix_ns: u64) -> Result<Self, LoadError> {
        let count = scenario.people.count;
        let of = count.div_ceil(PEOPLE_PER_PROCESS).max(entrance.workers).clamp(1, count.min(100));
        let text = toml::to_string(scenario).map_err(|error| LoadError::Start(error.to_string()))?;
        let mut members = Vec::with_capacity(of);
        for index in 0..of {
            let Entrance { publics, secret, kid, in_flight, target, host, trust, .. } = entrance.clone();
            let (in_flight, scenario) = (in_flight.div_ceil(of), text.clone());
            let job = Job { scenario, index, of, publics, secret, kid, in_flight, zero_unix_ns, target, host, trust };
            members.push(Member::start(&job)?);
        }
        Ok(Self { members, people: count as u64, lately: empty_latency() })
    }

    /// How many people there are.
    pub fn people(&self) -> u64 {
        self.people
    }

    /// Their processes.
    pub fn pids(&self) -> Vec<u32> {
        self.members.iter().map(|member| member.process.0.id()).collect()
    }

    /// Takes in what the processes have said.
    pub fn hear(&mut self) -> Result<(), LoadError> {
        for member in &mut self.members {
            member.hear(&mut self.lately)?;
        }
        Ok(())
    }

    /// How far they are, all together.
    pub fn tick(&self) -> Tick {
        self.members.iter().fold(Tick::default(), |sum, member| sum.plus(&member.tick))
    }

    /// The time that each process did not spend waiting so far, in nanoseconds.
    pub fn busy_ns(&self) -> Vec<u64> {
        self.members.iter().map(|member| member.tick.busy_ns).collect()
    }

    /// Latencies since this was asked the last time.
    pub fn take_lately(&mut self) -> Histogram<u64> {
        std::mem::replace(&mut self.lately, empty_latency())
    }

    /// Tells all of them.
    pub fn tell(&mut self, order: &Order) -> Result<(), LoadError> {
        self.members.iter_mut().try_for_each(|member| member.tell(order))
    }

    /// Nobody publishes or leaves any more; the last offsets that people were told, by channel.
    pub fn quiet(&mut self) -> Result<Vec<(usize, u64)>, LoadError> {
        self.tell(&Order::Quiet)?;
        let heads = self.gather(|member| member.heads.take())?;
        Ok(heads.into_iter().flatten().collect())
    }

    /// The accounts of all together.
    pub fn account(&mut self) -> Result<Account, LoadError> {
        self.tell(&Order::Account)?;
        Ok(self.gather(|member| member.account.take())?.into_iter().fold(Account::default(), Account::plus))
    }

    fn gather<T>(&mut self, take: impl Fn(&mut Member) -> Option<T>) -> Result<Vec<T>, LoadError> {
        let until = Instant::now() + PATIENCE;
        let mut all = Vec::with_capacity(self.members.len());
        for member in &mut self.members {
            loop {
                member.hear(&mut self.lately)?;
                if let Some(one) = take(member) {
                    break all.push(one);
                }
                if Instant::now() > until {
                    return Err(LoadError::Late(format!("a process of people did not answer within {PATIENCE:?}")));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        Ok(all)
    }
}

impl Member {
    fn start(job: &Job) -> Result<Self, LoadError> {
        let mut process = Process::start("crew", &[])?;
        let none = || LoadError::Start("people without pipes".into());
        let input = process.0.stdin.take().ok_or_else(none)?;
        let output = process.0.stdout.take().ok_or_else(none)?;
        let (sender, lines) = sync_channel(LINES);
        let follow = move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // What is not understood ends the channel, which is noticed.
                let Ok(line) = serde_json::from_str(&line) else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name(format!("crew-{}", job.index)).spawn(follow).map_err(during("thread"))?;
        let mut member = Self { input: Some(input), process, lines, tick: Tick::default(), heads: None, account: None };
        member.write(&serde_json::to_string(job).unwrap_or_default())?;
        Ok(member)
    }

    fn tell(&mut self, order: &Order) -> Result<(), LoadError> {
        if matches!(order, Order::Check(_)) {
            // Until they have looked, all are.
            self.tick.behind = u64::MAX >> 16;
        }
        self.write(&serde_json::to_string(order).unwrap_or_default())
    }

    fn write(&mut self, line: &str) -> Result<(), LoadError> {
        let Some(input) = &mut self.input else { return Ok(()) };
        writeln!(input, "{line}").and_then(|()| input.flush()).map_err(during("a process of people"))
    }

    fn hear(&mut self, lately: &mut Histogram<u64>) -> Result<(), LoadError> {
        loop {
            match self.lines.try_recv() {
                Ok(Line::Tick(tick, latest)) => {
                    let behind = tick.behind.max(if tick.checked { 0 } else { self.tick.behind });
                    self.tick = Tick { behind, ..tick };
                    // All histograms have the same bounds.
                    lately.add(histogram(&latest)).expect("the same bounds");
                }
                Ok(Line::Heads(heads)) => self.heads = Some(heads),
                Ok(Line::Account(account)) => self.account = Some(account),
                Ok(Line::Failed(why)) => return Err(LoadError::Start(format!("a process of people: {why}"))),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => {
                    return Err(LoadError::Start("a process of people ended early".into()));
                }
            }
        }
    }
}
