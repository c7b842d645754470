//! A run while it goes on: some lines that are redrawn in place on a terminal, plain lines elsewhere. Is given what
//! happens; does not measure and does not look at a clock.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::outcome::{Mark, Sample};
use crate::quantity::{MISSING, Unit};
use crate::report::plain;

/// What is seen of a run, in the order in which it happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// A second went by.
    Second(Second),
    /// A fault or a phase.
    Mark(Mark),
}

/// One second of a run, and what went wrong up to its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Second {
    /// What was measured.
    pub sample: Sample,
    /// Deliveries that were lost so far.
    pub lost: u64,
    /// Deliveries that came twice so far.
    pub duplicated: u64,
}

/// Shows a run on the standard output.
#[derive(Debug)]
pub struct Live {
    seconds: f64,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Redrawn(ProgressBar),
    Lines { every_s: f64, next_s: f64 },
}

/// Plain lines of a whole run, about: a log that someone reads.
const LINES: f64 = 60.0;

/// The message holds the time that is left and all lines below the bar.
const TEMPLATE: &str = "{prefix} {bar:36} {percent:>3} %  {msg}";

impl Live {
    /// Of a scenario that takes so many seconds.
    pub fn new(scenario: &str, seconds: f64) -> Self {
        let seconds = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
        let shown = if io::stdout().is_terminal() {
            Shown::Redrawn(bar(scenario, seconds))
        } else {
            Shown::Lines { every_s: (seconds / LINES).floor().max(1.0), next_s: 0.0 }
        };
        Self { seconds, shown }
    }

    /// Shows all that is seen until there is no more, and leaves the last picture.
    pub fn follow(mut self, seen: impl IntoIterator<Item = Seen>) {
        for seen in seen {
            match seen {
                Seen::Second(second) => self.second(&second),
                Seen::Mark(mark) => self.mark(&mark),
            }
        }
        self.end();
    }

    /// Shows another second.
    pub fn second(&mut self, second: &Second) {
        let t_s = second.sample.t_s;
        match &mut self.shown {
            Shown::Redrawn(bar) => {
                bar.set_position(t_s.clamp(0.0, self.seconds) as u64);
                bar.set_message(format!("{}\n{}", left(self.seconds, t_s), picture(second)));
            }
            // Half a second is grace for a sample that came a little early.
            Shown::Lines { every_s, next_s } => {
                if t_s + 0.5 >= *next_s {
                    *next_s = t_s + *every_s;
                    say(&line(second, self.seconds));
                }
            }
        }
    }

    /// Says a fault or a phase, above what is redrawn.
    pub fn mark(&mut self, mark: &Mark) {
        let text = told(mark);
        match &self.shown {
            Shown::Redrawn(bar) => bar.println(text),
            Shown::Lines { .. } => say(&text),
        }
    }

    /// Leaves the last picture where it is.
    pub fn end(self) {
        if let Shown::Redrawn(bar) = self.shown {
            bar.abandon();
        }
    }
}

fn bar(scenario: &str, seconds: f64) -> ProgressBar {
    // Four pictures per second at the most: the terminal's share of the processor is taken from the run.
    let bar = ProgressBar::with_draw_target(Some(seconds as u64), ProgressDrawTarget::stdout_with_hz(4));
    // The template is ours and the tests parse it.
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("█▌░"));
    bar.set_prefix(plain(scenario));
    bar
}

/// The lines below the bar.
fn picture(second: &Second) -> String {
    let Second { sample, lost, duplicated } = second;
    let per_s = |rate| Unit::PerSecond.show(rate);
    let cores = |cores: Option<f64>| cores.map_or(MISSING.to_owned(), |cores| Unit::Cores.show(cores));
    let wrong = if lost + duplicated > 0 { "  ← !" } else { "" };
    [
        format!("  connections  {}", Unit::Count.show(sample.connections as f64)),
        format!("  offered      {}   published {}", per_s(sample.offered_per_s), per_s(sample.published_per_s)),
        format!("  deliveries   {}", per_s(sample.deliveries_per_s)),
        format!("  latency      p50 {}   p99 {}", latency(sample.p50_ms), latency(sample.p99_ms)),
        format!(
            "  CPU          hub {}   generator {}   idle {}",
            cores(hub(sample)),
            cores(Some(sample.generator_cores)),
            share(sample.machine_idle)
        ),
        format!(
            "  lost {}   duplicated {}{wrong}",
            Unit::Count.show(*lost as f64),
            Unit::Count.show(*duplicated as f64)
        ),
    ]
    .join("\n")
}

/// The same in one line.
fn line(second: &Second, seconds: f64) -> String {
    let Second { sample, lost, duplicated } = second;
    let cores = |cores: Option<f64>| cores.map_or(MISSING.to_owned(), |cores| format!("{cores:.2}"));
    format!(
        "{:>6} of {:.0} s  connections {}  offered {}  deliveries {}  p50 {}  p99 {}  cores: hub {} generator {}  lost {lost}  duplicated {duplicated}",
        format!("{:.0} s", sample.t_s),
        seconds,
        Unit::Count.show(sample.connections as f64),
        Unit::PerSecond.show(sample.offered_per_s),
        Unit::PerSecond.show(sample.deliveries_per_s),
        latency(sample.p50_ms),
        latency(sample.p99_ms),
        cores(hub(sample)),
        cores(Some(sample.generator_cores)),
    )
}

fn told(mark: &Mark) -> String {
    format!("{:>6}  ▸ {}", format!("{:.0} s", mark.t_s), plain(&mark.what))
}

fn left(seconds: f64, t_s: f64) -> String {
    match seconds - t_s {
        left if left >= 0.5 => format!("{} left", Unit::Seconds.show(left.round())),
        // It may take longer than planned; a negative rest would help nobody.
        _ => "ending".to_owned(),
    }
}

fn latency(ms: Option<f64>) -> String {
    ms.map_or(MISSING.to_owned(), |ms| Unit::Milliseconds.show(ms))
}

fn hub(sample: &Sample) -> Option<f64> {
    Some(sample.hub_user_cores? + sample.hub_system_cores?)
}

fn share(part: f64) -> String {
    if part.is_finite() { format!("{:.0} %", part * 100.0) } else { MISSING.to_owned() }
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    // Nobody may be listening; the report still speaks.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second() -> Second {
        let sample = Sample {
            t_s: 12.0,
            connections: 5_000,
            offered_per_s: 100.0,
            published_per_s: 99.0,
            deliveries_per_s: 499_000.0,
            p50_ms: Some(12.5),
            p99_ms: Some(31.0),
            hub_user_cores: Some(0.25),
            hub_system_cores: Some(0.75),
            generator_cores: 0.5,
            machine_idle: 0.25,
            ..Sample::default()
        };
        Second { sample, lost: 0, duplicated: 0 }
    }

    #[test]
    fn a_second_shows_all_that_matters() {
        let text = picture(&second());
        for part in ["5,000", "100/s", "499,000/s", "p50 12.5 ms", "p99 31 ms", "hub 1 core ", "idle 25 %", "lost 0"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains('!'));
        assert!(picture(&Second { lost: 3, ..second() }).contains("lost 3   duplicated 0  ← !"));
        let line = line(&second(), 60.0);
        assert!(!line.contains('\n'));
        assert!(line.starts_with("  12 s of 60 s  connections 5,000  offered 100/s"), "{line}");
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        let empty = Second { sample: Sample { machine_idle: f64::NAN, ..Sample::default() }, ..Second::default() };
        for text in [picture(&empty), line(&empty, 0.0)] {
            assert!(text.contains("hub –"), "{text}");
            assert!(text.contains("p99 –"), "{text}");
            assert!(!text.contains("NaN"), "{text}");
        }
    }

    #[test]
    fn the_template_is_one() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }

    #[test]
    fn the_rest_of_the_time_is_never_negative() {
        assert_eq!(left(60.0, 12.0), "48 s left");
        assert_eq!(left(600.0, 0.0), "10 min left");
        assert_eq!(left(60.0, 61.0), "ending");
        assert_eq!(left(60.0, f64::NAN), "ending");
    }

    #[test]
    fn words_do_not_steer_the_terminal() {
        let mark = Mark { t_s: 3.0, what: "node\u{1b}[2J killed\n".into() };
        assert_eq!(told(&mark), "   3 s  ▸ node\u{fffd}[2J killed\u{fffd}");
    }

    #[test]
    fn a_long_run_without_a_terminal_says_some_sixty_lines() {
        let mut live = Live { seconds: 3_600.0, shown: Shown::Lines { every_s: 60.0, next_s: 0.0 } };
        let mut said = 0;
        for t_s in 1..=3_600 {
            let before = next_s(&live);
            live.second(&Second { sample: Sample { t_s: f64::from(t_s), ..Sample::default() }, ..Second::default() });
            said += usize::from(next_s(&live) > before);
        }
        assert!((55..=65).contains(&said), "{said}");
    }

    fn next_s(live: &Live) -> f64 {
        match live.shown {
            Shown::Lines { next_s, .. } => next_s,
            Shown::Redrawn(_) => unreachable!("the test made lines"),
        }
    }
}
