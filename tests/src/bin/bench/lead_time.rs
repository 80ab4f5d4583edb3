//! How long simulated releases take from their StateBox to their approval, and whose time it is.

use end_to_end::in_process::again_with_tickets;
use end_to_end::simulated::course::Course;
use end_to_end::simulated::{Case, Policy, Simulation, run_all};
use end_to_end::{ERRATA, KONFLUX};
use jiff::SignedDuration;
use oar_core::statebox::Share;

/// Seeds of drawn releases.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;
/// What 120 releases of the Python tooling took (spec 05 §8.6).
const REFERENCE: &str = "the Python tooling, 120 releases: 136 h (p10 90 h, p90 168 h)";

/// Prints a line for each release, and the median of each kind: in a child of this program, where there are tickets.
pub(crate) fn measure() {
    again_with_tickets(&["lead-time"], table);
}

fn table() {
    println!(
        "lead time from StateBox to approval (h) {:>22} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "whole", "people", "systems", "tools", "nobody", "asked"
    );
    let clean = [KONFLUX, ERRATA].map(Course::clean).to_vec();
    for (kind, courses) in [
        ("clean", clean),
        ("real releases", Course::replayed()),
        ("drawn", SEEDS.map(Course::drawn).collect()),
    ] {
        let cases = courses.into_iter().map(|course| Case::new(course, Policy::Recommended));
        let ended = run_all(cases.collect());
        for simulation in &ended {
            line(simulation);
        }
        let mut wholes: Vec<SignedDuration> = ended.iter().map(|one| one.shares.whole()).collect();
        wholes.sort_unstable();
        if let Some(median) = median(&wholes) {
            println!("  {kind}, median: {:.0} h", median.as_secs_f64() / 3600.0);
        }
    }
    println!("  {REFERENCE}");
}

/// The one in the middle, or the mean of the two there.
fn median(sorted: &[SignedDuration]) -> Option<SignedDuration> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(lower + (upper - lower) / 2)
}

fn line(simulation: &Simulation) {
    let hours = |time: SignedDuration| format!("{:.1}", time.as_secs_f64() / 3600.0);
    let of = |share: Share| hours(simulation.shares.of(share));
    println!(
        "{:<38} {:>22} {:>8} {:>8} {:>8} {:>8} {:>8}",
        simulation.course.name,
        hours(simulation.shares.whole()),
        of(Share::Person),
        of(Share::Systems),
        of(Share::Tools),
        of(Share::Nobody),
        simulation.asked().len(),
    );
}
