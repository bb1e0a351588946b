//! A plain client connection: one line out, one line in.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

/// A connection to an Electrum server over TCP.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Connection {
    /// Connects and introduces itself as a client of protocol 1.4 to 1.6.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn open(addr: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        let mut connection = Self { stream: BufReader::new(stream), line: String::new() };
        connection.ask(r#""server.version","params":["load-bench",["1.4","1.6"]]"#)?;
        Ok(connection)
    }

    /// Asks one question, given as method and parameters, and returns the reply's line.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn ask(&mut self, question: &str) -> anyhow::Result<String> {
        self.pipeline([question.to_owned()])?;
        Ok(std::mem::take(&mut self.line))
    }

    /// Asks questions without waiting for each answer, and reads all answers.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn pipeline(&mut self, questions: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
        let mut lines = Vec::new();
        let mut count = 0;
        for question in questions {
            writeln!(lines, r#"{{"jsonrpc":"2.0","id":{count},"method":{question}}}"#)?;
            count += 1;
        }
        let mut writer = self.stream.get_ref().try_clone()?;
        std::thread::scope(|scope| {
            // The server stops reading while its answers are not read: both at once.
            let sent = scope.spawn(move || writer.write_all(&lines));
            let mut got = 0;
            while got < count {
                self.line.clear();
                anyhow::ensure!(self.stream.read_line(&mut self.line)? > 0, "the server hung up");
                // Notifications have no id.
                got += usize::from(self.line.contains(r#""id":"#));
            }
            sent.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
            Ok(())
        })
    }
}
