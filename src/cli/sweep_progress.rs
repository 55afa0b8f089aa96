//! How far a sweep is: a bar on a terminal, a line now and then elsewhere; and the wish to stop it.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::explore::{Point, Sink};
use crate::pareto::Archive;
use crate::simulate::Metric;
use crate::units::count;

/// Time between two lines where there is no terminal.
const QUIET: Duration = Duration::from_secs(10);

/// Time between two looks at the front.
const REDRAW: Duration = Duration::from_millis(200);

/// Points, those that are out, and the front so far.
pub(super) struct Progress {
    bar: ProgressBar,
    objectives: Vec<Metric>,
    shows: Shows,
    stop: Arc<AtomicBool>,
    done: AtomicUsize,
    out: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Nothing,
    Bar,
    Lines,
}

struct State {
    front: Archive<()>,
    started: Instant,
    said: Instant,
}

impl Progress {
    /// Of so many points; Ctrl-C from now on asks for an end.
    pub(super) fn new(points: usize, objectives: &[Metric], hidden: bool) -> Self {
        let shows = match (hidden, stderr().is_terminal()) {
            (true, _) => Shows::Nothing,
            (false, true) => Shows::Bar,
            (false, false) => Shows::Lines,
        };
        let bar = ProgressBar::new(points as u64);
        if shows != Shows::Bar {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let template = "  {bar:20} {pos}/{len}  {elapsed}  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        // Where something else handles it, Ctrl-C ends the process, and the journal is as good.
        let _ = ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        });
        let now = Instant::now();
        Self {
            bar,
            objectives: objectives.to_vec(),
            shows,
            stop,
            done: AtomicUsize::new(0),
            out: AtomicUsize::new(0),
            state: Mutex::new(State {
                front: Archive::new(),
                started: now,
                said: now,
            }),
        }
    }

    /// Points done so far.
    pub(super) fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, state: &mut State, done: usize) {
        let now = Instant::now();
        let wait = match self.shows {
            Shows::Nothing => return,
            Shows::Bar => REDRAW,
            Shows::Lines => QUIET,
        };
        if now - state.said < wait {
            return;
        }
        state.said = now;
        let out = self.out.load(Ordering::Relaxed);
        let all = self.bar.length().unwrap_or(0) as usize;
        let left = all.saturating_sub(done) as f64 / done.max(1) as f64;
        let eta = HumanDuration((now - state.started).mul_f64(left.min(1e6)));
        let front = state.front.entries().len();
        let text = format!(
            "infeasible {} · front {front} · about {eta} left",
            count(out as u64)
        );
        match self.shows {
            Shows::Bar => self.bar.set_message(text),
            Shows::Lines => {
                let (done, all) = (count(done as u64), count(all as u64));
                // A reader that has gone away is no problem.
                let _ = writeln!(stderr(), "  {done}/{all} points · {text}");
            }
            Shows::Nothing => {}
        }
    }
}

impl Sink for Progress {
    fn point(&self, _index: usize, point: &Point) {
        let done = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        if self.shows == Shows::Nothing {
            return;
        }
        self.bar.inc(1);
        if !point.is_feasible() {
            self.out.fetch_add(1, Ordering::Relaxed);
        }
        if let Ok(mut state) = self.state.lock() {
            if point.is_feasible() {
                state.front.insert(point.costs(&self.objectives), ());
            }
            self.show(&mut state, done);
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
