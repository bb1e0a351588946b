//! Files with lines `NAME=value`, as systemd's `EnvironmentFile` and shells read them.

/// A line `NAME=value`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// Where it begins, counted from 1.
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Parses a file.
///
/// Blank lines and lines that begin with `#` or `;` are skipped, and so is the word `export`. A value may be in
/// single or double quotes; a backslash at the end of a line joins the next one to it.
///
/// # Errors
/// The number of the first line that is no assignment.
pub(crate) fn parse(text: &str) -> Result<Vec<Assignment>, usize> {
    let mut assignments = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let mut whole = first.trim().to_owned();
        if whole.is_empty() || whole.starts_with(['#', ';']) {
            continue;
        }
        while let Some(joined) = whole.strip_suffix('\\') {
            let next = lines.next().map_or("", |(_, next)| next.trim());
            whole = format!("{joined}{next}");
        }
        let line = index + 1;
        let (name, value) = whole.split_once('=').ok_or(line)?;
        let name = name.trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(line);
        }
        assignments.push(Assignment {
            line,
            name: name.into(),
            value: unquote(value.trim()).into(),
        });
    }
    Ok(assignments)
}

fn unquote(value: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_operators_have_are_understood() {
        let text = "# comment\n; another\n\nCOIN=Bitcoin\n  export NET = \"testnet4\"\nA='x y'\nB=\n\
                    SERVICES=tcp://:50001,\\\n  rpc://\nC=a=b#c\nD=\"\n";
        let parsed: Vec<_> =
            parse(text).unwrap().into_iter().map(|a| (a.line, a.name, a.value)).collect();
        let expected = [
            (4, "COIN", "Bitcoin"),
            (5, "NET", "testnet4"),
            (6, "A", "x y"),
            (7, "B", ""),
            (8, "SERVICES", "tcp://:50001,rpc://"),
            (10, "C", "a=b#c"),
            (11, "D", "\""),
        ];
        assert_eq!(parsed, expected.map(|(line, n, v)| (line, n.to_owned(), v.to_owned())));
    }

    #[test]
    fn other_lines_are_refused_by_number() {
        for (text, line) in [("COIN", 1), ("A=1\n[section]", 2), ("=x", 1), ("A=1\n\nB C=2", 3)] {
            assert_eq!(parse(text).unwrap_err(), line, "{text:?}");
        }
    }
}
