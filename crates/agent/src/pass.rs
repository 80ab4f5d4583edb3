//! How one pass of an agent went.

use oar_core::error::ErrorClass;

/// How a pass went: what it counts goes into the metrics, its first problem decides the exit code of a single pass.
#[derive(Debug, Default)]
pub struct Pass {
    class: Option<ErrorClass>,
    /// How many jobs were started.
    pub started: usize,
    /// How many things went wrong.
    problems: usize,
    /// How many records there are, and how many of them are open.
    pub records: Option<(usize, usize)>,
}

impl Pass {
    /// Notes a problem, when there is one.
    pub fn problem(&mut self, class: Option<ErrorClass>) {
        self.add_problems(usize::from(class.is_some()), class);
    }

    /// Notes so many problems; `class` is the first one's.
    pub fn add_problems(&mut self, count: usize, class: Option<ErrorClass>) {
        self.class = self.class.or(class);
        self.problems += count;
    }

    /// How many things went wrong.
    pub fn problem_count(&self) -> usize {
        self.problems
    }

    /// The class of the first problem; `None` after a good pass.
    pub fn class(&self) -> Option<ErrorClass> {
        self.class
    }
}
