//! One course over the stage: warm up, measure, fall silent, see that everything has come.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::faults::Faults;
use super::recorder::Going;
use super::stage::Stage;
use crate::LoadError;
use crate::crew::lines::{Account, Order};
use crate::feed::{Feed, FeedPlan, Published};
use crate::plan::posts::Posts;
use crate::plan::scenario::{By, Phase};
use crate::schedule::Steps;
use crate::worker::empty_latency;

/// How long faults may take beyond the measured time.
const FAULTS_WITHIN: Duration = Duration::from_secs(120);

/// What a course showed.
#[derive(Debug)]
pub(super) struct Measured {
    /// What people saw, over all courses so far; latencies of this one.
    pub(super) account: Account,
    /// Messages of this course.
    pub(super) published: u64,
    pub(super) acknowledged: u64,
    pub(super) refused: u64,
    /// Messages that came in the measured time, and how long that was in seconds.
    pub(super) deliveries: u64,
    pub(super) seconds: f64,
    /// CPU of the hub in the measured time, in the program and in the kernel, in seconds.
    pub(super) hub_cpu_s: Option<(f64, f64)>,
    /// The samples of the measured time.
    pub(super) samples: std::ops::Range<usize>,
    /// How late this program published, in nanoseconds.
    pub(super) lateness: Histogram<u64>,
}

/// The handles of a course.
pub(super) struct Course<'a> {
    stage: &'a mut Stage,
    steps: Steps,
    begin: Instant,
    feed: Option<Feed>,
    nothing: Published,
    faults: Faults,
}

impl<'a> Course<'a> {
    pub(super) fn run(stage: &'a mut Stage, phases: &[Phase]) -> Result<Measured, LoadError> {
        let warm_up = Duration::from_secs_f64(stage.scenario.warm_up_s);
        let mut steps = Steps::default();
        steps.push(phases.first().map_or(0.0, |phase| phase.rate_per_s), stage.scenario.warm_up_s);
        phases.iter().for_each(|phase| steps.push(phase.rate_per_s, phase.seconds));
        let before = stage.crew.tick();
        // Lanes and people need a moment before the first message is due.
        let begin = Instant::now() + Duration::from_millis(100);
        let from = begin + warm_up;
        let feed = match stage.scenario.publish.by {
            By::Api => Some(Feed::start(Self::plan(stage, &steps, begin), &stage.heads)?),
            By::People => None,
        };
        let faults = Faults::of(&stage.scenario.faults, from);
        let mut course = Self { stage, steps, begin, feed, nothing: Published::default(), faults };
        course.stage.crew.tell(&Order::Talk)?;
        let from_ns = (from - course.stage.zero).as_nanos() as u64;
        course.stage.crew.tell(&Order::Measure(from_ns))?;
        course.until(from)?;
        let (first_sample, came, cpu) = course.point();
        let measuring = Instant::now();
        let mut at = from;
        for phase in phases {
            let name = phase.name.clone().unwrap_or_else(|| format!("{:.0} messages/s", phase.rate_per_s));
            course.stage.recorder.mark(&name);
            at += Duration::from_secs_f64(phase.seconds);
            course.until(at)?;
        }
        let (last_sample, came_after, cpu_after) = course.point();
        let seconds = measuring.elapsed().as_secs_f64();
        let hub_cpu_s = cpu_after.zip(cpu).map(|(after, before)| (after.0 - before.0, after.1 - before.1));
        let deliveries = came_after - came;
        course.end_faults()?;
        let mut measured = course.finish(before)?;
        (measured.deliveries, measured.seconds, measured.hub_cpu_s) = (deliveries, seconds, hub_cpu_s);
        measured.samples = first_sample..last_sample;
        Ok(measured)
    }

    fn plan(stage: &Stage, steps: &Steps, begin: Instant) -> FeedPlan {
        let publish = &stage.scenario.publish;
        FeedPlan {
            internals: stage.hubs.internals.clone(),
            through: stage.hubs.through.clone(),
            cast: Arc::clone(&stage.cast),
            posts: Posts::of(stage.scenario.seed, publish),
            steps: steps.clone(),
            lanes: publish.lanes,
            batch: publish.batch,
            begin,
            zero: stage.zero,
            first: stage.posted,
        }
    }

    /// Samples, deliveries and CPU of the hub so far.
    fn point(&mut self) -> (usize, u64, Option<(f64, f64)>) {
        let recorder = &mut self.stage.recorder;
        (recorder.samples.len(), self.stage.crew.tick().messages, recorder.hub_cpu_s(&self.stage.hubs))
    }

    fn round(&mut self) -> Result<(), LoadError> {
        let published = self.feed.as_ref().map_or(&self.nothing, |feed| &*feed.published);
        let going = Going { published, steps: &self.steps, begin: self.begin };
        self.stage.recorder.round(&mut self.stage.crew, &self.stage.hubs, Some(going))?;
        for what in self.faults.round(self.stage.hubs.fleet.as_mut())? {
            self.stage.recorder.mark(&what);
        }
        Ok(())
    }

    fn until(&mut self, at: Instant) -> Result<(), LoadError> {
        while Instant::now() < at {
            self.round()?;
        }
        Ok(())
    }

    fn end_faults(&mut self) -> Result<(), LoadError> {
        let until = Instant::now() + FAULTS_WITHIN;
        while self.stage.hubs.fleet.is_some() && !self.faults.are_over() && Instant::now() < until {
            self.round()?;
        }
        Ok(())
    }

    /// Publishes nothing more, waits until everybody has everything, and takes the accounts.
    fn finish(mut self, before: crate::crew::lines::Tick) -> Result<Measured, LoadError> {
        self.stage.recorder.mark("drain");
        let told = self.stage.crew.quiet()?;
        let (mut lateness, mut complaint, mut counts) = (empty_latency(), None, [0; 3]);
        if let Some(feed) = self.feed.take() {
            let published = Arc::clone(&feed.published);
            let fed = feed.stop()?;
            counts =
                [&published.sent, &published.accepted, &published.refused].map(|count| count.load(Ordering::Relaxed));
            (lateness, complaint) = (fed.lateness, fed.complaint);
            self.stage.heads = fed.heads;
        }
        self.stage.posted += counts[0];
        let heads = self.stage.heads.of(self.stage.cast.names.len(), &told);
        self.stage.crew.tell(&Order::Check(heads))?;
        let until = Instant::now() + Duration::from_secs_f64(self.stage.scenario.drain_s);
        loop {
            self.round()?;
            let tick = self.stage.crew.tick();
            let answered = tick.acknowledged + tick.refused >= tick.published;
            let whole = tick.behind == 0 && tick.live >= self.stage.crew.people();
            if (whole && answered) || Instant::now() > until {
                break;
            }
        }
        let (account, after) = (self.stage.crew.account()?, self.stage.crew.tick());
        if let Some(complaint) = complaint {
            self.stage.recorder.mark(&format!("refused, e.g.: {complaint}"));
        }
        if !account.ends.is_empty() {
            let ends: Vec<_> = account.ends.iter().map(|(end, count)| format!("{count} {end}")).collect();
            self.stage.recorder.mark(&format!("connections that the hub or the network ended: {}", ends.join(", ")));
        }
        Ok(Measured {
            account,
            published: counts[0] + after.published - before.published,
            acknowledged: counts[1] + after.acknowledged - before.acknowledged,
            refused: counts[2] + after.refused - before.refused,
            deliveries: 0,
            seconds: 0.0,
            hub_cpu_s: None,
            samples: 0..0,
            lateness,
        })
    }
}
