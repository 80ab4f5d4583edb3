//! How long simulated releases take from their StateBox to their approval, and whose time it is.

use end_to_end::simulated::course::Course;
use end_to_end::simulated::{Policy, Simulation, run_all};
use end_to_end::{ERRATA, KONFLUX};
use jiff::SignedDuration;
use oar_core::statebox::Share;

/// Seeds of drawn releases.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;
/// What 120 releases of the Python tooling took (spec 05 §8.6).
const REFERENCE: &str = "the Python tooling, 120 releases: 136 h (p10 90 h, p90 168 h)";

/// Prints a line for each release, and the median of each kind.
pub(crate) fn measure() {
    println!(
        "lead time from StateBox to approval (h) {:>22} {:>8} {:>8} {:>8} {:>8}",
        "whole", "people", "systems", "nobody", "asked"
    );
    let clean = [KONFLUX, ERRATA].map(Course::clean).to_vec();
    for (kind, courses) in [
        ("clean", clean),
        ("real releases", Course::replayed()),
        ("drawn", SEEDS.map(Course::drawn).collect()),
    ] {
        let simulations = courses.into_iter().map(|course| (course, Policy::Recommended, None)).collect();
        let ended = run_all(simulations);
        for simulation in &ended {
            line(simulation);
        }
        let mut wholes: Vec<SignedDuration> = ended.iter().map(|one| one.shares.whole()).collect();
        wholes.sort_unstable();
        if let Some(median) = wholes.get(wholes.len() / 2) {
            println!("  {kind}, median: {:.0} h", median.as_secs_f64() / 3600.0);
        }
    }
    println!("  {REFERENCE}");
}

fn line(simulation: &Simulation) {
    let hours = |time: SignedDuration| format!("{:.1}", time.as_secs_f64() / 3600.0);
    let of = |share: Share| hours(simulation.shares.of(share));
    println!(
        "{:<38} {:>22} {:>8} {:>8} {:>8} {:>8}",
        simulation.course.name,
        hours(simulation.shares.whole()),
        of(Share::Person),
        of(Share::Systems),
        of(Share::Nobody),
        simulation.asked().len(),
    );
}
