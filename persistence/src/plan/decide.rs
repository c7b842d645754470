//! Lets one act decide, and holds it to what it has named.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::records::view::{Changes, View};
use crate::records::{Act, Question, Refusal, Stop, Verdict};

/// How a decision ended.
pub(super) enum Decision {
    /// It is made: the verdict, and what it changes.
    Made(Verdict, Changes),
    /// It needs these answers.
    Asking(Vec<Question>),
    /// No.
    Refused(Refusal),
    /// The act broke its contract, in these words: it fails alone.
    Broken(&'static str),
}

/// Asks for a decision. What the view was given is untouched, whatever comes of it.
pub(super) fn decide(act: &dyn Act, mut view: View<'_>) -> Decision {
    // A rule that panics must not end the writer, and with it every other append. The view is not used after that.
    let Ok(decided) = catch_unwind(AssertUnwindSafe(|| act.decide(&mut view))) else {
        tracing::error!(?act, "an act panicked while it was decided");
        return Decision::Broken("an act panicked");
    };
    let (missing, changes) = view.finish();
    let named = |question: &Question| act.channels().contains(question.home());
    if !missing.iter().all(named) {
        return Decision::Broken("an act asks about a channel that it does not name");
    }
    match decided {
        Err(Stop::Refused(refusal)) => Decision::Refused(refusal),
        Err(Stop::Missing) if missing.is_empty() => Decision::Broken("an act stopped without a question"),
        // Also one that went on without its answers: it has not seen all that it wanted to.
        Err(Stop::Missing) => Decision::Asking(missing),
        Ok(_) if !missing.is_empty() => Decision::Asking(missing),
        Ok(verdict) => Decision::Made(verdict, changes),
    }
}
