//! Colours and emphasis.

use ratatui::style::{Color, Modifier, Style};

/// The styles of the view, with colours or without.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    coloured: bool,
}

impl Palette {
    /// Colours only where the user wants them (no-color.org).
    pub fn of_user() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Palette {
            coloured: !unwanted,
        }
    }

    /// With colours.
    #[cfg(test)]
    pub fn coloured() -> Self {
        Palette { coloured: true }
    }

    /// Without colours.
    #[cfg(test)]
    pub fn plain() -> Self {
        Palette { coloured: false }
    }

    fn fg(self, style: Style, color: Color) -> Style {
        if self.coloured {
            style.fg(color)
        } else {
            style
        }
    }

    /// What matters.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What stands beside what matters.
    pub fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Headings of columns, and the row that is selected.
    pub fn reversed(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What should worry the user.
    pub fn alarming(self) -> Style {
        self.fg(self.strong(), Color::Red)
    }

    /// What the user changed: a pause, a filter.
    pub fn notable(self) -> Style {
        self.fg(self.strong(), Color::Yellow)
    }

    /// Bars and lines.
    pub fn drawn(self) -> Style {
        self.fg(Style::new(), Color::Cyan)
    }

    /// A share in percent.
    pub fn heat(self, percent: f64) -> Style {
        match percent {
            hot if hot >= 20.0 => self.fg(self.strong(), Color::Red),
            warm if warm >= 5.0 => self.fg(Style::new(), Color::Yellow),
            some if some > 0.0 => Style::new(),
            _ => self.faint(),
        }
    }
}
