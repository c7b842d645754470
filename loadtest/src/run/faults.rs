//! What happens to nodes while they are measured. Only to nodes that were started for the run.

use std::time::{Duration, Instant};

use crate::LoadError;
use crate::fleet::Fleet;
use crate::plan::scenario::{Fault, FaultKind};

/// How long a node may drain.
const PATIENCE: Duration = Duration::from_secs(60);

/// Faults that are still to come or under way.
#[derive(Debug)]
pub(super) struct Faults {
    /// The next one last.
    deeds: Vec<(Instant, usize, Deed)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Deed {
    Terminate,
    /// After it has drained.
    StartAfterDrain(Instant),
    Kill,
    Start,
    Pause,
    Resume,
}

impl Faults {
    /// Those of a scenario, whose measuring begins then.
    pub(super) fn of(faults: &[Fault], from: Instant) -> Self {
        let mut deeds = Vec::new();
        for fault in faults {
            let at = from + Duration::from_secs_f64(fault.at_s);
            let over = at + Duration::from_secs_f64(fault.for_s);
            let node = fault.node - 1;
            match fault.what {
                FaultKind::Restart => deeds.push((at, node, Deed::Terminate)),
                FaultKind::Kill => deeds.extend([(at, node, Deed::Kill), (over, node, Deed::Start)]),
                FaultKind::Pause => deeds.extend([(at, node, Deed::Pause), (over, node, Deed::Resume)]),
            }
        }
        let mut faults = Self { deeds };
        faults.sort();
        faults
    }

    fn sort(&mut self) {
        self.deeds.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    }

    /// Whether all are over.
    pub(super) fn are_over(&self) -> bool {
        self.deeds.is_empty()
    }

    /// Does what is due; gives what to write down.
    pub(super) fn round(&mut self, fleet: Option<&mut Fleet>) -> Result<Vec<String>, LoadError> {
        let (mut said, now) = (Vec::new(), Instant::now());
        let Some(fleet) = fleet else { return Ok(said) };
        while self.deeds.last().is_some_and(|(at, ..)| *at <= now) {
            let Some((_, node, deed)) = self.deeds.pop() else { break };
            let Some(hub) = fleet.hubs.get_mut(node) else { continue };
            let name = format!("node {}", node + 1);
            match deed {
                Deed::Terminate => {
                    hub.terminate()?;
                    said.push(format!("{name} told to end"));
                    self.deeds.push((now, node, Deed::StartAfterDrain(now + PATIENCE)));
                    self.sort();
                    break;
                }
                Deed::StartAfterDrain(until) => match hub.ended()? {
                    Some(_) => {
                        hub.start_again()?;
                        said.push(format!("{name} started again"));
                    }
                    None if now > until => {
                        return Err(LoadError::Late(format!("{name} still drains:\n{}", hub.log_tail())));
                    }
                    None => {
                        self.deeds.push((now + Duration::from_millis(50), node, deed));
                        self.sort();
                    }
                },
                Deed::Kill => {
                    hub.kill()?;
                    said.push(format!("{name} killed"));
                }
                Deed::Start => {
                    hub.start_again()?;
                    said.push(format!("{name} started again"));
                }
                Deed::Pause => {
                    hub.pause()?;
                    said.push(format!("{name} stands still"));
                }
                Deed::Resume => {
                    hub.resume()?;
                    said.push(format!("{name} goes on"));
                }
            }
        }
        Ok(said)
    }
}
