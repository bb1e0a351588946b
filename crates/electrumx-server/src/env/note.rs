//! What an operator should know of the configuration.

/// A line about what was chosen, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether the operator should do something about it.
    pub warning: bool,
    /// One sentence or two. Never holds a password.
    pub text: String,
}

/// Notes in the order taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(pub(crate) Vec<Note>);

impl Notes {
    pub(crate) fn info(&mut self, text: impl Into<String>) {
        self.0.push(Note { warning: false, text: text.into() });
    }

    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        self.0.push(Note { warning: true, text: text.into() });
    }
}
