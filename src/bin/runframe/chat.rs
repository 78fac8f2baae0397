//! All that is said besides data: errors, warnings, the receipt's line, the progress bar. On the standard error.

use crate::plan;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runframe::{Error, Loader, Progress, Receipt, sink};
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A load that takes less than this needs no bar.
const PATIENCE: Duration = Duration::from_millis(300);

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

/// Details that are shown without being asked for.
const FEW: usize = 3;

/// Columns with secrets that are named without being asked for.
const SECRETS: usize = 5;

/// Talks on the standard error, as much as the user wants.
pub(crate) struct Chat(plan::Chat);

impl Chat {
    pub(crate) fn new(chat: plan::Chat) -> Self {
        Chat(chat)
    }

    /// An error; never silenced.
    pub(crate) fn error(&self, error: &Error) {
        self.say("31", "error", &error.to_string());
    }

    /// The receipt: a line, and what is missing.
    pub(crate) fn receipt(&self, receipt: &Receipt) {
        if self.0.quiet {
            return;
        }
        self.losses(receipt);
        let lines = receipt.secret_lines();
        let shown = if self.0.verbose { lines.len() } else { SECRETS.min(lines.len()) };
        match receipt.redacted {
            Some(_) => lines.iter().for_each(|line| self.line(line)),
            None => lines[..shown].iter().for_each(|line| self.say("33", "warning", line)),
        }
        if shown < lines.len() {
            self.line(&format!("  … {} more; -v lists them", lines.len() - shown));
        }
    }

    fn losses(&self, receipt: &Receipt) {
        if !receipt.has_losses() {
            self.line(&receipt.to_string());
            if self.0.verbose {
                receipt.details().iter().for_each(|detail| self.line(&format!("  {detail}")));
            }
            return;
        }
        self.say("33", "warning", &receipt.to_string());
        let details = receipt.details();
        let shown = if self.0.verbose { details.len() } else { FEW.min(details.len()) };
        details[..shown].iter().for_each(|detail| self.line(&format!("  {detail}")));
        if shown < details.len() {
            self.line(&format!("  … {} more; -v lists them", details.len() - shown));
        }
    }

    /// One line about what was done.
    pub(crate) fn tell(&self, text: &str) {
        if !self.0.quiet {
            self.line(text);
        }
    }

    fn say(&self, color: &str, label: &str, text: &str) {
        match self.0.color {
            true => put(&format!("\u{1b}[1;{color}m{label}:\u{1b}[0m {}\n", clean(text))),
            false => self.line(&format!("{label}: {text}")),
        }
    }

    fn line(&self, text: &str) {
        put(&(clean(text) + "\n"));
    }

    /// The loader, of whose requests the user is told if they are wanted.
    pub(crate) fn following(&self, loader: Loader) -> Loader {
        match self.0.requests {
            true => loader.on_request(|asked| put(&(clean(&asked.to_string()) + "\n"))),
            false => loader,
        }
    }

    /// Shows how a load goes on, until what this returns is dropped.
    pub(crate) fn follow(&self, progress: &Arc<Progress>) -> Bar {
        if !self.0.progress {
            return Bar(None);
        }
        let (stop, stopped) = mpsc::channel();
        let progress = progress.clone();
        let thread = std::thread::spawn(move || {
            // Only silence for so long means that the load is still going on.
            let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(PATIENCE) else { return };
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style("asking, {elapsed}"));
            let mut began: Option<Instant> = None;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
                let (done, total) = (progress.done(), progress.total());
                if total > 0 {
                    let began = *began.get_or_insert_with(|| {
                        bar.set_style(style("reading {wide_bar} {msg}"));
                        Instant::now()
                    });
                    bar.set_length(total);
                    bar.set_position(done);
                    bar.set_message(state(done, total, began.elapsed()));
                }
                bar.tick();
            }
            bar.finish_and_clear();
        });
        Bar(Some((stop, thread)))
    }
}

/// Count, rate and time left: `268/3000, 290/s, 10 s left`.
fn state(done: u64, total: u64, elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    if done >= total {
        return format!("{done}/{total}, finishing");
    }
    if done == 0 {
        return format!("{done}/{total}");
    }
    let left = ((total - done) as f64 / rate).ceil() as u64;
    let left = match left {
        0..100 => format!("{left} s"),
        100..6_000 => format!("{} min", left.div_ceil(60)),
        _ => format!("{:.1} h", left as f64 / 3_600.0),
    };
    let rate = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
    format!("{done}/{total}, {rate}/s, {left} left")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Names of files and runs may hold anything; they must not steer the terminal.
fn clean(text: &str) -> String {
    text.split('\n').map(sink::visible).collect::<Vec<_>>().join("\n")
}

fn put(text: &str) {
    // If the standard error is gone, nobody listens.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// The progress bar; gone when dropped.
pub(crate) struct Bar(Option<(Sender<()>, JoinHandle<()>)>);

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            // A bar that panicked is no reason to lose the data.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_tells_count_rate_and_time_left() {
        let at = |done, total, seconds| state(done, total, Duration::from_secs(seconds));
        assert_eq!(at(0, 3_000, 2), "0/3000");
        assert_eq!(at(300, 3_000, 1), "300/3000, 300/s, 9 s left");
        assert_eq!(at(10, 100, 8), "10/100, 1.2/s, 72 s left");
        assert_eq!(at(10, 1_000, 20), "10/1000, 0.5/s, 33 min left");
        assert_eq!(at(1, 1_000, 20), "1/1000, 0.1/s, 5.5 h left");
        assert_eq!(at(100, 100, 20), "100/100, finishing");
    }
}
