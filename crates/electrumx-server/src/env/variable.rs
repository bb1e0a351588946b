//! What is known of one variable.

/// A variable: its name in the environment and in files, its flag, and what `--help` says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    /// The flag, where it is not the name in lower case with dashes.
    flag: Option<&'static str>,
    pub(crate) group: Group,
    /// What stands for the value in `--help`.
    pub(crate) value: &'static str,
    /// The default as shown; empty when there is none.
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
    pub(crate) status: Status,
    /// Whether the flag may stand without a value, which means `true`.
    pub(crate) boolean: bool,
}

/// The headings of `--help` and of `docs/configuration.md`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Group {
    Chain,
    Node,
    Index,
    Services,
    Sessions,
    Costs,
    Peers,
    Process,
}

/// What the server does with a variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Used,
    /// Accepted; it belongs to something that this version does not have.
    Later(&'static str),
    /// Accepted; there is nothing it could change, and this is why.
    Ignored(&'static str),
}

impl Variable {
    pub(crate) const fn new(
        name: &'static str,
        group: Group,
        value: &'static str,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, flag: None, group, value, default, help, status: Status::Used, boolean: false }
    }

    pub(crate) const fn flag_is(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    pub(crate) const fn boolean(self) -> Self {
        Self { boolean: true, ..self }
    }

    pub(crate) const fn later(self, belongs_to: &'static str) -> Self {
        Self { status: Status::Later(belongs_to), ..self }
    }

    pub(crate) const fn ignored(self, why: &'static str) -> Self {
        Self { status: Status::Ignored(why), ..self }
    }

    /// Returns the flag without its dashes.
    pub(crate) fn flag(&self) -> String {
        self.flag.map_or_else(|| self.name.to_lowercase().replace('_', "-"), str::to_owned)
    }
}

impl Group {
    /// All of them, in the order shown.
    pub(crate) const ALL: [Self; 8] = [
        Self::Chain,
        Self::Node,
        Self::Index,
        Self::Services,
        Self::Sessions,
        Self::Costs,
        Self::Peers,
        Self::Process,
    ];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Chain => "Chain",
            Self::Node => "Node",
            Self::Index => "Index",
            Self::Services => "Services",
            Self::Sessions => "Sessions",
            Self::Costs => "Costs of sessions",
            Self::Peers => "Peers",
            Self::Process => "Process and log",
        }
    }
}
