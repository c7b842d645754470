//! A run as one HTML file for people: the verdict first, then plots, then the tables. Everything is inside of the file;
//! it opens from a disk, without a network, and prints. Does not know how a run is made.

mod comparison;
mod lines;
mod marks;
mod page;
mod plot;
mod plots;
mod scale;
mod tables;
mod text;
mod when;

use std::path::{Path, PathBuf};

use clap::Args;

pub use comparison::comparison;

use crate::outcome::{Outcome, OutcomeError};
use crate::report::Report;

/// Shows the report of a run as a page.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// The report of a run, as JSON.
    #[arg(value_name = "RUN.json")]
    run: PathBuf,
    /// Where the page is written. Default: beside the report, as .html.
    #[arg(long, value_name = "OUT.html")]
    html: Option<PathBuf>,
}

impl ReportArgs {
    /// Writes the page and says where it is.
    pub fn run(&self) -> Result<(), OutcomeError> {
        let run = Outcome::read(&self.run)?;
        let to = self.html.clone().unwrap_or_else(|| self.run.with_extension("html"));
        if to == self.run {
            return Err(OutcomeError::SameFile(to));
        }
        write(&to, &report(&run))?;
        Report::new("report").say(&format!("written: {}", to.display()));
        Ok(())
    }
}

/// The page of one run.
pub fn report(run: &Outcome) -> String {
    page::page(&format!("{} · {}", run.scenario, run.target.name), |out| {
        tables::head(out, run);
        tables::verdict(out, run);
        tables::figures(out, run);
        plots::all(out, run);
        tables::marks(out, run);
        tables::numbers(out, run);
        tables::source(out, run);
    })
}

/// Writes a page where it was asked for.
pub fn write(to: &Path, page: &str) -> Result<(), OutcomeError> {
    std::fs::write(to, page).map_err(|error| OutcomeError::File(to.to_owned(), error))
}

#[cfg(test)]
mod tests;
