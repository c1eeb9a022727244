//! As much of `make` as OpenSSL's `Configure` writes for Unix: variables, rules, commands for the shell; no patterns, no
//! conditions, no dates: what is there is made.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

/// What a step of the build gives.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Default)]
struct Rule {
    needs: Vec<String>,
    commands: Vec<String>,
}

/// A makefile that was read, and the folder in which its commands run.
pub struct Makefile {
    folder: PathBuf,
    variables: HashMap<String, String>,
    rules: HashMap<String, Rule>,
}

impl Makefile {
    /// Reads `Makefile` in `folder`.
    pub fn read(folder: &Path) -> Outcome<Makefile> {
        let text = fs::read_to_string(folder.join("Makefile"))?.replace("\\\n", " ");
        let mut read = Makefile { folder: folder.to_owned(), variables: HashMap::new(), rules: HashMap::new() };
        let mut targets: Vec<String> = Vec::new();
        for line in text.lines() {
            if let Some(command) = line.strip_prefix('\t') {
                for target in &targets {
                    read.rules.entry(target.clone()).or_default().commands.push(command.to_owned());
                }
            } else if let Some(at) = line.find(['=', ':']).filter(|_| !line.starts_with('#')) {
                let (left, right) = line.split_at(at);
                if let Some(value) = right.strip_prefix('=') {
                    read.variables.insert(left.trim().to_owned(), value.trim().to_owned());
                } else {
                    let needs = right.trim_start_matches(':').split('#').next().unwrap_or_default();
                    let needs = words(&read.expanded(needs, ""));
                    targets = words(&read.expanded(left, ""));
                    for target in &targets {
                        read.rules.entry(target.clone()).or_default().needs.extend(needs.iter().cloned());
                    }
                }
            }
        }
        Ok(read)
    }

    /// Makes the goals and all they need, as many things at a time as cargo has jobs.
    pub fn make(&self, goals: &[&str]) -> Outcome<()> {
        let mut rounds = Vec::new();
        let mut seen = HashMap::new();
        for goal in goals {
            self.plan(goal, &mut seen, &mut rounds);
        }
        let hands = std::env::var("NUM_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1);
        // What is needed comes in an earlier round than what needs it.
        for targets in rounds {
            let left = Mutex::new(targets.into_iter());
            let next = || left.lock().ok().and_then(|mut left| left.next());
            thread::scope(|scope| {
                let hands: Vec<_> = (0..hands)
                    .map(|_| scope.spawn(|| std::iter::from_fn(next).try_for_each(|target| self.run(target))))
                    .collect();
                hands.into_iter().try_for_each(|hand| hand.join().map_err(|_| "a hand of the build panicked")?)
            })?;
        }
        Ok(())
    }

    /// Puts `target` and what it needs into rounds, each thing once; says in which round it is ready.
    fn plan<'a>(
        &'a self,
        target: &'a str,
        seen: &mut HashMap<&'a str, usize>,
        rounds: &mut Vec<Vec<&'a str>>,
    ) -> usize {
        if let Some(round) = seen.get(target) {
            return *round;
        }
        let Some(rule) = self.rules.get(target).filter(|_| !self.folder.join(target).exists()) else { return 0 };
        let round = rule.needs.iter().map(|need| self.plan(need, seen, rounds)).max().unwrap_or(0);
        seen.insert(target, round + 1);
        rounds.resize_with(rounds.len().max(round + 1), Vec::new);
        if let Some(targets) = rounds.get_mut(round) {
            targets.push(target);
        }
        round + 1
    }

    fn run(&self, target: &str) -> Outcome<()> {
        let Some(rule) = self.rules.get(target) else { return Ok(()) };
        if let Some(folder) = self.folder.join(target).parent() {
            fs::create_dir_all(folder)?;
        }
        for command in &rule.commands {
            let command = self.expanded(command, target);
            done(Command::new("sh").arg("-c").arg(command.trim_start_matches(['@', '-'])).current_dir(&self.folder))?;
        }
        Ok(())
    }

    /// `text` with the values of its variables, `$@` for the target, `$$` for a dollar.
    fn expanded(&self, text: &str, target: &str) -> String {
        let mut parts = text.split('$');
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        while let Some(part) = parts.next() {
            if let Some((name, rest)) = part.strip_prefix('(').and_then(|part| part.split_once(')')) {
                let value = self.variables.get(name).map(String::as_str).unwrap_or_default();
                expanded.push_str(&self.expanded(value, target));
                expanded.push_str(rest);
            } else if let Some(rest) = part.strip_prefix('@') {
                expanded.push_str(target);
                expanded.push_str(rest);
            } else {
                // The text after a second dollar is a part of its own.
                expanded.push('$');
                expanded.push_str(if part.is_empty() { parts.next().unwrap_or_default() } else { part });
            }
        }
        expanded
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Runs a command to its end; what it printed is in the error, and nowhere else.
pub fn done(command: &mut Command) -> Outcome<()> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    Err(format!("{command:?}: {}\n{}", output.status, said.concat()).into())
}
