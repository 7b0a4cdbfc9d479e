//! Draws frames on a terminal with indicatif, and lets lines be written above them.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::reader::Size;

/// The bottom lines of a terminal.
pub struct Screen<T> {
    terminal: T,
    /// There while a frame is shown.
    bar: Option<ProgressBar>,
    shown: Vec<String>,
    last: Option<Duration>,
}

impl<T: TermLike + Clone + 'static> Screen<T> {
    /// On a terminal. Nothing is drawn yet.
    pub fn new(terminal: T) -> Self {
        Self { terminal, bar: None, shown: Vec::new(), last: None }
    }

    /// How large the terminal is now.
    pub fn size(&self) -> Size {
        Size { rows: self.terminal.height().into(), columns: self.terminal.width().into() }
    }

    /// Whether it is time to draw again.
    pub fn due(&self, now: Duration) -> bool {
        self.last.is_none_or(|last| now.saturating_sub(last) >= FRAME)
    }

    /// Shows a frame in the place of the one before, and above it whatever `write` writes.
    pub fn draw(&mut self, frame: Vec<String>, now: Duration, write: Option<impl FnOnce()>) {
        self.last = Some(now);
        match (&self.bar, write) {
            (Some(bar), Some(write)) => bar.suspend(write),
            (None, Some(write)) => write(),
            (_, None) => {}
        }
        if frame.is_empty() {
            self.clear();
        } else if frame != self.shown {
            let bar = self.bar.get_or_insert_with(|| bar(self.terminal.clone()));
            bar.set_message(frame.join("\n"));
            self.shown = frame;
        }
    }

    /// Takes the frame away.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.shown.clear();
    }
}

/// A bar that is nothing but its message, which it draws whenever it is set.
fn bar(terminal: impl TermLike + 'static) -> ProgressBar {
    let target = ProgressDrawTarget::term_like(Box::new(Short::new(terminal)));
    let style = ProgressStyle::with_template("{msg}").expect("the template is right");
    ProgressBar::with_draw_target(None, target).with_style(style)
}

/// A terminal whose lines end where their text does. indicatif fills them with blanks up to the
/// margin, where the `^C` that a terminal shows takes a line of its own and shifts the frame, and
/// where each line breaks once the terminal becomes narrower.
#[derive(Debug)]
struct Short<T> {
    terminal: T,
    /// The line is at its end, and the next one has not begun.
    at_end: AtomicBool,
}

impl<T> Short<T> {
    fn new(terminal: T) -> Self {
        Self { terminal, at_end: AtomicBool::new(false) }
    }

    /// The cursor goes elsewhere.
    fn away(&self) -> &T {
        self.at_end.store(false, Ordering::Relaxed);
        &self.terminal
    }
}

impl<T: TermLike> TermLike for Short<T> {
    fn width(&self) -> u16 {
        self.terminal.width()
    }

    fn height(&self) -> u16 {
        self.terminal.height()
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.away().move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.away().move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.away().move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.away().move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.away().write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        if text.bytes().all(|byte| byte == b' ') {
            self.at_end.store(true, Ordering::Relaxed);
            return self.terminal.write_str(ERASE_TO_MARGIN);
        }
        if self.at_end.swap(false, Ordering::Relaxed) {
            self.terminal.write_line("")?;
        }
        self.terminal.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.away().clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.terminal.flush()
    }
}

/// EL of ECMA-48, 8.3.41.
const ERASE_TO_MARGIN: &str = "\x1b[K";

/// Lines above a frame cost one draw and the next frame another, so these are ten draws a second
/// at the most.
const FRAME: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    const NOTHING: Option<fn()> = None;

    fn lines(number: usize) -> Vec<String> {
        (1..=number).map(|line| format!("line {line}")).collect()
    }

    #[test]
    fn a_frame_takes_the_place_of_the_one_before() {
        let terminal = InMemoryTerm::new(24, 80);
        let mut screen = Screen::new(terminal.clone());
        screen.draw(lines(3), Duration::ZERO, NOTHING);
        assert_eq!(terminal.contents(), "line 1\nline 2\nline 3");
        screen.draw(lines(2), Duration::from_secs(1), NOTHING);
        assert_eq!(terminal.contents(), "line 1\nline 2");
        screen.draw(Vec::new(), Duration::from_secs(2), NOTHING);
        assert_eq!(terminal.contents(), "");
    }

    #[test]
    fn lines_are_written_above_the_frame_and_stay_there() {
        let terminal = InMemoryTerm::new(24, 80);
        let mut screen = Screen::new(terminal.clone());
        screen.draw(lines(2), Duration::ZERO, NOTHING);
        let write = || terminal.write_line("said").unwrap();
        screen.draw(lines(1), Duration::from_secs(1), Some(write));
        assert_eq!(terminal.contents(), "said\nline 1");
        screen.clear();
        assert_eq!(terminal.contents(), "said");
    }

    #[test]
    fn what_the_terminal_echoes_at_the_end_of_a_frame_goes_with_it() {
        let terminal = InMemoryTerm::new(24, 20);
        let mut screen = Screen::new(terminal.clone());
        screen.draw(lines(3), Duration::ZERO, NOTHING);
        terminal.write_str("^C").unwrap();
        assert_eq!(terminal.contents(), "line 1\nline 2\nline 3^C");
        let write = || terminal.write_line("interrupted").unwrap();
        screen.draw(lines(2), Duration::from_secs(1), Some(write));
        assert_eq!(terminal.contents(), "interrupted\nline 1\nline 2");
        screen.clear();
        assert_eq!(terminal.contents(), "interrupted");
    }

    #[test]
    fn frames_are_at_least_a_fifth_of_a_second_apart() {
        let mut screen = Screen::new(InMemoryTerm::new(24, 80));
        assert!(screen.due(Duration::ZERO));
        screen.draw(lines(1), Duration::ZERO, NOTHING);
        assert!(!screen.due(Duration::from_millis(199)));
        assert!(screen.due(Duration::from_millis(200)));
    }
}
