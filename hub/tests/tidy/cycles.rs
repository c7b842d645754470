//! Cycles: the top-level modules of the hub use each other in one direction.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::{Finding, Rule, demand_none, exceptions_of};
use super::lexer;
use super::repository::rust;

/// Who uses whom, among the top-level modules of a crate.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn modules_do_not_use_each_other_in_circles() {
    let graph = graph_of_hub();
    assert!(graph.len() > 10, "the graph of the hub has only {graph:?}");
    let excused: Vec<(&str, &str)> =
        exceptions_of(Rule::Cycle).map(|exception| exception.place.split_once(" -> ").expect("from -> to")).collect();
    let mut pruned = graph.clone();
    let mut findings = Vec::new();
    for (from, to) in excused {
        let needed = graph.get(from).is_some_and(|used| used.contains(to)) && reaches(&graph, to, from);
        if !needed {
            let what = "is excused and makes no circle any more: remove it from the table";
            findings.push(Finding::new(format!("{from} -> {to}"), what));
        }
        pruned.entry(from.to_owned()).or_default().remove(to);
    }
    for circle in circles(&pruned) {
        findings
            .push(Finding::new(circle.join(" -> "), "use each other: move what both need into a module of its own"));
    }
    demand_none(findings);
}

fn graph_of_hub() -> Graph {
    let mut graph = Graph::new();
    for file in rust() {
        let Some(inner) = file.path.strip_prefix("hub/src/").filter(|inner| !matches!(*inner, "lib.rs" | "main.rs"))
        else {
            continue;
        };
        let module = module_of(inner);
        let used = lexer::paths(&file.production()).into_iter().filter_map(|path| target(&module, &path));
        let own = &module[0];
        graph.entry(own.clone()).or_default().extend(used.filter(|target| target != own));
    }
    let known: BTreeSet<String> = graph.keys().cloned().collect();
    for used in graph.values_mut() {
        used.retain(|target| known.contains(target));
    }
    graph
}

/// `shard/mail.rs` is `shard::mail`, `shard/mod.rs` is `shard`.
fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// The top-level module that a path leads into, if it stays in the crate.
fn target(module: &[String], path: &str) -> Option<String> {
    let segments: Vec<&str> = path.split("::").collect();
    if segments[0] == "crate" {
        return segments.get(1).map(|segment| (*segment).to_owned());
    }
    let up = segments.iter().take_while(|segment| **segment == "super").count();
    (up > 0 && up == module.len()).then(|| segments.get(up).map(|segment| (*segment).to_owned())).flatten()
}

fn reaches(graph: &Graph, from: &str, to: &str) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(module) = next.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            next.extend(graph.get(module).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

/// For each edge that lies on a circle the shortest circle over it, each circle once.
fn circles(graph: &Graph) -> BTreeSet<Vec<String>> {
    let edges = graph.iter().flat_map(|(from, used)| used.iter().map(move |to| (from, to)));
    edges.filter_map(|(from, to)| Some(rotated(way(graph, to, from)?))).collect()
}

/// The shortest way, both ends included.
fn way(graph: &Graph, from: &str, to: &str) -> Option<Vec<String>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([from]);
    while let Some(module) = queue.pop_front() {
        if module == to {
            let mut way = vec![to.to_owned()];
            while let Some(before) = way.last().and_then(|last| came_from.get(last.as_str())) {
                way.push((*before).to_owned());
            }
            way.reverse();
            return Some(way);
        }
        for next in graph.get(module).into_iter().flatten() {
            if next != from && !came_from.contains_key(next.as_str()) {
                came_from.insert(next, module);
                queue.push_back(next);
            }
        }
    }
    None
}

/// A circle begins with its first name, so that it is known again.
fn rotated(mut circle: Vec<String>) -> Vec<String> {
    let first = circle.iter().enumerate().min_by_key(|(_, name)| (*name).clone()).map_or(0, |(index, _)| index);
    circle.rotate_left(first);
    circle
}

#[test]
fn circles_are_found() {
    let edge = |from: &str, to: &[&str]| (from.to_owned(), to.iter().map(|name| (*name).to_owned()).collect());
    let graph = Graph::from([edge("a", &["b"]), edge("b", &["c", "d"]), edge("c", &["a"]), edge("d", &[])]);
    assert_eq!(circles(&graph), BTreeSet::from([vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]]));
    assert!(reaches(&graph, "a", "d") && !reaches(&graph, "d", "a"));
    assert_eq!(target(&module_of("shard/mail.rs"), "super::super::auth::Identity"), Some("auth".to_owned()));
    assert_eq!(target(&module_of("publish.rs"), "super::logs::Logs"), Some("logs".to_owned()));
    assert_eq!(target(&module_of("shard/mod.rs"), "super::logs"), Some("logs".to_owned()));
    assert_eq!(target(&module_of("shard/run.rs"), "super::mail::Mail"), None);
}
