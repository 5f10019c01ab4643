//! The list from which the user chooses a process: arrows, Enter, letters that narrow it down.

use super::ps::{PsRow, about_hidden, cut, table};
use crate::ids::Pid;
use crate::platform::Hiding;
use crate::platform::signals::{Held, INTERRUPT, end_by};
use crate::top::Screen;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use std::time::Duration;

/// Between two looks at signals.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Lines around the list: the question, what was typed, the titles, and the one below.
const AROUND: usize = 4;

/// What a key did.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    GoOn,
    Chosen(Pid),
    Quit,
    /// Ctrl-C, which is a key while the terminal is ours.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
}

struct Picker<'a> {
    rows: &'a [PsRow],
    typed: String,
    /// Among those that are shown.
    at: usize,
    /// The first that is on the screen.
    first: usize,
    /// Rows that fit on the screen.
    page: usize,
    note: String,
}

/// Lets the user choose; `None` for no choice. A signal, or Ctrl-C, ends p5-spy as usual, but only
/// when the terminal is given back.
///
/// # Errors
/// When the terminal fails.
pub fn pick(rows: &[PsRow], hiding: Option<Hiding>) -> std::io::Result<Option<Pid>> {
    let held = Held::hold()?;
    let picker = Picker {
        rows,
        typed: String::new(),
        at: 0,
        first: 0,
        page: 1,
        note: hiding.map(about_hidden).unwrap_or_default(),
    };
    let (outcome, signal) = picker.run(&held)?;
    match outcome {
        Outcome::Chosen(pid) => return Ok(Some(pid)),
        Outcome::Interrupt => end_by(signal.unwrap_or(INTERRUPT))?,
        Outcome::GoOn | Outcome::Suspend | Outcome::Quit => {}
    }
    Ok(None)
}

impl Picker<'_> {
    /// Has the terminal until the user has decided; the second value is a signal that came.
    fn run(mut self, held: &Held) -> std::io::Result<(Outcome, Option<i32>)> {
        let mut screen = Screen::open()?;
        loop {
            screen.draw(|frame| self.draw(frame))?;
            while !event::poll(LOOK_EVERY)? {
                if let Some(signal) = held.asked() {
                    return Ok((Outcome::Interrupt, Some(signal)));
                }
                if screen.is_asked_to_stop() {
                    screen.suspend()?;
                    screen.draw(|frame| self.draw(frame))?;
                }
            }
            if let Event::Key(key) = event::read()? {
                match self.press(key) {
                    Outcome::GoOn => {}
                    Outcome::Suspend => screen.suspend()?,
                    outcome => return Ok((outcome, None)),
                }
            }
        }
    }

    /// Those that have every word that was typed somewhere.
    fn shown(&self) -> Vec<&PsRow> {
        let typed = self.typed.to_lowercase();
        let has = |row: &&PsRow| {
            let user = row.user.as_deref().unwrap_or_default();
            let text = format!("{} {user} {}", row.pid, row.command).to_lowercase();
            typed.split_whitespace().all(|word| text.contains(word))
        };
        self.rows.iter().filter(has).collect()
    }

    fn press(&mut self, key: KeyEvent) -> Outcome {
        if key.kind == KeyEventKind::Release {
            return Outcome::GoOn;
        }
        let last = self.shown().len().saturating_sub(1);
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Outcome::Quit,
            KeyCode::Char('c') if control => return Outcome::Interrupt,
            KeyCode::Char('d') if control => return Outcome::Quit,
            KeyCode::Char('z') if control => return Outcome::Suspend,
            KeyCode::Enter => {
                if let Some(row) = self.shown().get(self.at) {
                    return Outcome::Chosen(row.pid);
                }
            }
            KeyCode::Up => self.at = self.at.saturating_sub(1),
            KeyCode::Down => self.at += 1,
            KeyCode::Char('p') if control => self.at = self.at.saturating_sub(1),
            KeyCode::Char('n') if control => self.at += 1,
            KeyCode::PageUp => self.at = self.at.saturating_sub(self.page),
            KeyCode::PageDown => self.at += self.page,
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = last,
            KeyCode::Char('u') if control => self.type_anew(String::new()),
            KeyCode::Backspace => {
                let mut typed = self.typed.clone();
                typed.pop();
                self.type_anew(typed);
            }
            KeyCode::Char(c) if !control => self.type_anew(format!("{}{c}", self.typed)),
            _ => {}
        }
        self.at = self.at.min(self.shown().len().saturating_sub(1));
        Outcome::GoOn
    }

    fn type_anew(&mut self, typed: String) {
        self.typed = typed;
        (self.at, self.first) = (0, 0);
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        self.page = height.saturating_sub(AROUND).max(1);
        if self.at < self.first {
            self.first = self.at;
        } else if self.at >= self.first + self.page {
            self.first = self.at + 1 - self.page;
        }
        // Of all, so that columns stay where they are while the list gets narrower.
        let all = table(self.rows, Some(width));
        let shown: Vec<Pid> = self.shown().iter().map(|row| row.pid).collect();
        let line_of = |pid: &Pid| {
            let at = self.rows.iter().position(|row| row.pid == *pid)?;
            all.get(at + 1)
        };
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let question = "Which program? Arrows and Enter choose, letters narrow it down, Esc quits.";
        let mut lines = vec![
            Line::styled(cut(question, width), bold),
            Line::raw(cut(&format!("> {}", self.typed), width)),
            Line::styled(all.first().cloned().unwrap_or_default(), bold),
        ];
        let visible = shown.iter().enumerate().skip(self.first).take(self.page);
        for (at, pid) in visible {
            let text = line_of(pid).cloned().unwrap_or_default();
            let style = if at == self.at {
                Style::new().add_modifier(Modifier::REVERSED)
            } else {
                Style::new()
            };
            lines.push(Line::styled(text, style));
        }
        let mut foot = format!("{} of {}", shown.len(), self.rows.len());
        if !self.note.is_empty() {
            foot = format!("{foot}. {}", self.note);
        }
        lines.push(Line::raw(cut(&foot, width)));
        for (y, line) in lines.into_iter().take(height).enumerate() {
            let y = area.y.saturating_add(u16::try_from(y).unwrap_or(u16::MAX));
            frame.render_widget(line, Rect::new(area.x, y, area.width, 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn rows(count: i32) -> Vec<PsRow> {
        let row = |pid: i32| PsRow {
            pid: pid.into(),
            parent: Pid::from(1),
            user: Some("www".into()),
            version: Some("5.36.0".into()),
            cpu_percent: Some(0.0),
            state: "sleeping",
            attachable: true,
            obstacle: None,
            command: format!("perl program{pid}.pl"),
            words: Vec::new(),
        };
        (1..=count).map(row).collect()
    }

    fn picker(rows: &[PsRow]) -> Picker<'_> {
        Picker {
            rows,
            typed: String::new(),
            at: 0,
            first: 0,
            page: 1,
            note: String::new(),
        }
    }

    fn press(picker: &mut Picker<'_>, code: KeyCode) -> Outcome {
        picker.press(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn keys() {
        let rows = rows(30);
        let mut picker = picker(&rows);
        for code in [KeyCode::Up, KeyCode::Down, KeyCode::Down] {
            assert_eq!(press(&mut picker, code), Outcome::GoOn);
        }
        assert_eq!(
            press(&mut picker, KeyCode::Enter),
            Outcome::Chosen(Pid::from(3))
        );
        press(&mut picker, KeyCode::End);
        press(&mut picker, KeyCode::Down);
        assert_eq!(
            press(&mut picker, KeyCode::Enter),
            Outcome::Chosen(Pid::from(30))
        );
        for c in "PROGRAM17 www".chars() {
            press(&mut picker, KeyCode::Char(c));
        }
        assert_eq!(
            press(&mut picker, KeyCode::Enter),
            Outcome::Chosen(Pid::from(17))
        );
        press(&mut picker, KeyCode::Char('x'));
        assert_eq!(press(&mut picker, KeyCode::Enter), Outcome::GoOn);
        press(&mut picker, KeyCode::Backspace);
        assert_eq!(
            press(&mut picker, KeyCode::Enter),
            Outcome::Chosen(Pid::from(17))
        );
        picker.press(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(
            press(&mut picker, KeyCode::Enter),
            Outcome::Chosen(Pid::from(1))
        );
        assert_eq!(press(&mut picker, KeyCode::Esc), Outcome::Quit);
        let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        assert_eq!(picker.press(control('c')), Outcome::Interrupt);
        assert_eq!(picker.press(control('z')), Outcome::Suspend);
    }

    #[test]
    fn what_is_chosen_is_always_on_the_screen() {
        let rows = rows(30);
        let mut picker = picker(&rows);
        for (width, height) in [(80, 10), (20, 5), (3, 2), (1, 1)] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            for code in [KeyCode::End, KeyCode::Home, KeyCode::PageDown, KeyCode::Up] {
                press(&mut picker, code);
                terminal.draw(|frame| picker.draw(frame)).unwrap();
                let text = terminal.backend().to_string();
                let pid = rows[picker.at].pid;
                if height > 5 {
                    assert!(text.contains(&format!("program{pid}.pl")), "{text}");
                }
            }
        }
    }
}
