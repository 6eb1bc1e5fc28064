//! `stormglass plan --requirements FILE`: a file whose keys are the command's flags. What is typed
//! beside it comes first.

use super::load::read;
use super::plan;
use crate::args::{self, Command, Context, Parsed};
use crate::exit::Exit;
use crate::failure::Failure;
use std::ffi::OsString;
use std::path::Path;
use stormglass_scenarios::read_flags;

const FLAG: &str = "--requirements";

/// Plans with the file's requirements.
pub(super) fn plan(path: &Path, context: &Context) -> Result<Exit, Failure> {
    let bytes = read(path)?;
    let refused = |message: String| {
        Failure::new(Exit::InvalidScenario, format!("{}{message}", path.display()))
    };
    let text = String::from_utf8(bytes).map_err(|_| refused(": not a text file".to_owned()))?;
    let flags = read_flags(&text).map_err(refused)?;
    match args::parse(words(&flags, &context.words)) {
        Parsed::Command(_, command) => match *command {
            Command::Plan(args) => plan::plan(&args, context),
            _ => Err(refused(": a file of requirements cannot name another one".to_owned())),
        },
        Parsed::Senseless(_, failure) => {
            Err(failure.in_file(path).with_exit(Exit::InvalidScenario))
        }
        Parsed::Refused(_, error) => {
            let text = error.render().to_string();
            let said: Vec<&str> =
                text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
            let said = said.join(" ");
            let said = said.strip_prefix("error: ").unwrap_or(&said);
            Err(refused(format!(": {said}")).help(
                "its keys are the flags of `stormglass plan`, such as ingress = \"100 MB/s\"",
            ))
        }
        Parsed::Page(_) => Err(refused(": `help` and `version` are no requirements".to_owned())),
    }
}

/// The command line with the file's flags in place of its name.
fn words(flags: &[(String, String)], typed: &[OsString]) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    let mut rest = typed.iter();
    while let Some(word) = rest.next() {
        if word == FLAG {
            rest.next();
        } else if !word.to_string_lossy().starts_with(&format!("{FLAG}=")) {
            words.push(word.clone());
        }
    }
    for (key, value) in flags {
        let flag = format!("--{key}");
        let is_typed = words.iter().any(|word| {
            let word = word.to_string_lossy();
            word == flag.as_str() || word.starts_with(&format!("{flag}="))
        });
        if !is_typed {
            words.push(format!("{flag}={value}").into());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_replaces_what_is_in_the_file() {
        let flags = [("ingress", "1 MB/s"), ("peak", "2"), ("survive", "none,az")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let typed =
            ["stormglass", "plan", "--requirements", "r.toml", "--peak=3"].map(OsString::from);
        let words = words(&flags, &typed);
        let expected = ["stormglass", "plan", "--peak=3", "--ingress=1 MB/s", "--survive=none,az"];
        assert_eq!(words, expected.map(OsString::from));
    }
}
