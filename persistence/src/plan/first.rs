//! What acts ask before anything is locked, so that most of them are answered together with the locks.

use std::collections::{HashMap, HashSet};

use super::decide::{Decision, decide};
use crate::batch::Item;
use crate::records::Question;
use crate::records::view::{Answers, Changes, View};

/// The first questions of each act, each once. An act that asks nothing decides here for nothing: decisions are pure.
pub(crate) fn first_questions(items: &[Item]) -> Vec<Question> {
    let (answers, changes, heads) = (Answers::new(), Changes::default(), HashMap::new());
    let mut asked = HashSet::new();
    for item in items {
        let Item::Act(act) = item else { continue };
        if let Decision::Asking(questions) = decide(&**act, View::new(&answers, &changes, &heads)) {
            asked.extend(questions);
        }
    }
    asked.into_iter().collect()
}
