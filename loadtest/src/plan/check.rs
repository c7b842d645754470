//! Whether the values of a scenario can be played: ranges, and what excludes each other.

use hubbub_protocol::limits::{BATCH, SSE_CHANNELS};

use super::PlanError;
use super::scenario::{Between, By, DataBytes, FIGURES, Scenario};
use super::template::Template;

const MOST_PEOPLE: usize = 1_000_000;
const LONGEST_S: f64 = 604_800.0;
const MOST_RATE: f64 = 1e7;
const MOST_BYTES: usize = 1_000_000;

impl Scenario {
    /// Whether it can be played; if not, the first key that is wrong, and why.
    pub(super) fn check(&self) -> Result<(), PlanError> {
        let Self { people, publish, reconnect, tunnel, slow, .. } = self;
        let shares = [
            ("people.sse_share", people.sse_share),
            ("reconnect.storm_share", reconnect.storm_share),
            ("slow.share", slow.share),
            ("tunnel.share", tunnel.share),
        ];
        for (key, share) in shares {
            must((0.0..=1.0).contains(&share), key, "a share is from 0 to 1")?;
        }
        must((1..=MOST_PEOPLE).contains(&people.count), "people.count", "1 to 1,000,000")?;
        self.check_times_and_rates()?;
        must((1..=64).contains(&publish.lanes), "publish.lanes", "1 to 64")?;
        must((1..=BATCH).contains(&publish.batch), "publish.batch", &format!("1 to {BATCH}"))?;
        let thinks = publish.think_time_s.is_none_or(|think| think > 0.0 && publish.by == By::People);
        must(thinks, "publish.think_time_s", "above 0, and only with publish.by = \"people\"")?;
        let speak = publish.by == By::Api || people.sse_share < 1.0;
        must(speak, "publish.by", "people who all read streams can not publish")?;
        let phased = publish.by == By::Api || self.phases.is_empty();
        must(phased, "phases", "the rate of people does not go by phases; use publish.by = \"api\"")?;
        must(
            publish.data_bytes.is_sound(),
            "publish.data_bytes",
            "`from` is at most `to`, which is at most 1,000,000",
        )?;
        self.check_channels()?;
        for name in self.thresholds.keys().filter(|name| !FIGURES.contains(&name.as_str())) {
            let why = format!("no such figure; there are {}", FIGURES.join(", "));
            must(false, &format!("thresholds.{name}"), &why)?;
        }
        Ok(())
    }

    fn check_times_and_rates(&self) -> Result<(), PlanError> {
        let Self { people, publish, reconnect, tunnel, .. } = self;
        let mut times = vec![
            ("seconds", self.seconds),
            ("warm_up_s", self.warm_up_s),
            ("drain_s", self.drain_s),
            ("publish.think_time_s", publish.think_time_s.unwrap_or(0.0)),
            ("reconnect.away_s", reconnect.away_s),
            ("reconnect.storm_at_s", reconnect.storm_at_s.unwrap_or(0.0)),
            ("reconnect.storm_within_s", reconnect.storm_within_s),
            ("tunnel.every_s", tunnel.every_s),
            ("tunnel.for_s", tunnel.for_s),
        ];
        times.extend(self.phases.iter().map(|phase| ("phases", phase.seconds)));
        times.extend(self.faults.iter().flat_map(|fault| [("faults", fault.at_s), ("faults", fault.for_s)]));
        for (key, time) in times {
            must((0.0..=LONGEST_S).contains(&time), key, "a time is 0 to 604,800 s")?;
        }
        let mut rates = vec![
            ("people.ramp_per_s", people.ramp_per_s),
            ("publish.rate_per_s", publish.rate_per_s),
            ("reconnect.rate_per_s", reconnect.rate_per_s),
        ];
        rates.extend(self.phases.iter().map(|phase| ("phases", phase.rate_per_s)));
        for (key, rate) in rates {
            must((0.0..=MOST_RATE).contains(&rate), key, "a rate is 0 to 10,000,000 a second")?;
        }
        must(people.ramp_per_s > 0.0, "people.ramp_per_s", "above 0")?;
        must(tunnel.every_s > 0.0, "tunnel.every_s", "above 0")?;
        let flushes = people.sse_max_rate.is_none_or(|rate| (0.1..=50.0).contains(&rate));
        must(flushes, "people.sse_max_rate", "0.1 to 50 flushes a second")?;
        must(self.faults.iter().all(|fault| fault.node > 0), "faults", "nodes count 1, 2, 3 …")
    }

    fn check_channels(&self) -> Result<(), PlanError> {
        must(!self.channels.is_empty(), "channels", "at least one [[channels]]")?;
        let per_stream: usize = self.channels.iter().map(|channels| channels.per_person).sum();
        let most = if self.people.sse_share > 0.0 { SSE_CHANNELS } else { 512 };
        must(per_stream <= most, "channels.per_person", &format!("a connection has at most {most} channels"))?;
        for channels in &self.channels {
            let template = Template::parse(&channels.template)?;
            let named = channels.count == 1 || template.is_numbered();
            must(named, "channels.count", "several channels need {n} in their template")?;
            must((1..=MOST_PEOPLE).contains(&channels.count), "channels.count", "1 to 1,000,000")?;
            must((0.0..=10.0).contains(&channels.zipf), "channels.zipf", "0 to 10")?;
            must(channels.weight >= 0.0 && channels.weight.is_finite(), "channels.weight", "not below 0")?;
        }
        Ok(())
    }
}

fn must(holds: bool, key: &str, why: &str) -> Result<(), PlanError> {
    if holds { Ok(()) } else { Err(PlanError::Value(key.to_owned(), why.to_owned())) }
}

impl DataBytes {
    fn is_sound(self) -> bool {
        match self {
            Self::Fixed(bytes) => bytes <= MOST_BYTES,
            Self::Between(Between { from, to }) => from <= to && to <= MOST_BYTES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "name = \"x\"\n[people]\ncount = 3\n[[channels]]\ntemplate = \"live:x\"\n";

    #[test]
    fn values_out_of_range_are_named() {
        for (setting, key) in [
            ("people.count=0", "people.count"),
            ("slow.share=1.5", "slow.share"),
            ("channels.0.count=4", "channels.count"),
            ("publish.think_time_s=2.0", "publish.think_time_s"),
            ("publish.batch=100000", "publish.batch"),
            ("seconds=-1.0", "seconds"),
            ("seconds=nan", "seconds"),
            ("reconnect.storm_at_s=-1.0", "reconnect.storm_at_s"),
            ("faults=[{at_s=1, what=\"kill\", node=0}]", "faults"),
            ("people.ramp_per_s=0", "people.ramp_per_s"),
            ("channels=[]", "channels"),
        ] {
            match Scenario::parse(LEAST, &[setting.to_owned()]) {
                Err(PlanError::Value(named, _)) => assert_eq!(named, key),
                other => panic!("{setting}: {other:?}"),
            }
        }
    }
}
