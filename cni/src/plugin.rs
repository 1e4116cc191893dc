//! A plugin as a function: a verb of CNI in, one JSON object and an exit code out. What CNI's library for Go calls
//! `skel`.

use std::ffi::OsString;
use std::io::Read;

use crate::{AddResult, Code, Config, Environment, Error, Request, Verb, Version, output};

/// Octets of a configuration that are read. A GC of 100,000 attachments, which comes in two copies, has 20 MiB.
pub const MAX_CONFIG: usize = 64 << 20;

/// What a call leaves behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// For the standard output: one JSON object, or nothing when a verb that answers nothing has succeeded.
    pub stdout: String,
    /// For the standard error.
    pub stderr: String,
    /// The exit code: 0 or 1.
    pub code: u8,
}

/// Answers a call, whose variables a function finds and whose configuration is read from `stdin`. `serve` does what is
/// asked, and returns a result for ADD alone; it never gets VERSION. Without `CNI_COMMAND`, a person is told `about`.
pub fn run(
    about: &str,
    variable: impl Fn(&str) -> Option<OsString>,
    stdin: impl Read,
    serve: impl FnOnce(&Request) -> Result<Option<AddResult>, Error>,
) -> Outcome {
    if variable("CNI_COMMAND").is_none_or(|command| command.is_empty()) {
        let versions = Version::ALL.map(Version::as_str).join(", ");
        let stderr = format!("{about}\nCNI protocol versions supported: {versions}\n");
        return Outcome { stdout: String::new(), stderr, code: 0 };
    }
    let environment = match Environment::read(variable) {
        Ok(environment) => environment,
        Err(error) => return failed(&error, Version::NEWEST),
    };
    if environment.verb == Verb::Version {
        return succeeded(output::versions());
    }
    let config = match read(stdin) {
        Ok(config) => config,
        Err(error) => return failed(&error, Version::NEWEST),
    };
    let answer = Request::parse(&environment, &config).and_then(|request| {
        let version = request.version();
        serve(&request)?.map_or(Ok(String::new()), |result| result.encode(version))
    });
    match answer {
        Ok(stdout) => succeeded(stdout),
        Err(error) => failed(&error, Config::version_of(&config)),
    }
}

fn read(stdin: impl Read) -> Result<Vec<u8>, Error> {
    let mut config = Vec::new();
    let limit = MAX_CONFIG as u64 + 1;
    stdin.take(limit).read_to_end(&mut config).map_err(|error| {
        Error::new(Code::IO, "error reading from stdin").with_details(error.to_string())
    })?;
    if config.len() > MAX_CONFIG {
        let details = format!("it is longer than {MAX_CONFIG} octets");
        return Err(Error::new(Code::DECODING, "the network configuration on stdin is too long")
            .with_details(details));
    }
    Ok(config)
}

fn succeeded(stdout: String) -> Outcome {
    Outcome { stdout, stderr: String::new(), code: 0 }
}

fn failed(error: &Error, version: Version) -> Outcome {
    Outcome { stdout: output::error(error, version), stderr: String::new(), code: 1 }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::{Field, Json};

    /// Fails to be read.
    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("banana"))
        }
    }

    fn variable(verb: &'static str) -> impl Fn(&str) -> Option<OsString> {
        move |name| match name {
            "CNI_COMMAND" => Some(verb.into()),
            "CNI_CONTAINERID" => Some("a".into()),
            "CNI_NETNS" => Some("/n".into()),
            "CNI_IFNAME" => Some("eth0".into()),
            _ => None,
        }
    }

    fn code_of(outcome: &Outcome) -> (u8, u64, String) {
        let json = Json::parse(outcome.stdout.as_bytes()).unwrap();
        let field = Field::root(&json);
        let version = field.get("cniVersion").unwrap().unwrap().string().unwrap().to_owned();
        (outcome.code, field.get("code").unwrap().unwrap().unsigned().unwrap(), version)
    }

    #[test]
    fn without_a_command_a_person_is_told_what_this_is() {
        let outcome = run("The plugin", |_| None, Broken, |_| panic!("nothing to serve"));
        assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""));
        let expected = "The plugin\nCNI protocol versions supported: \
                        0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n";
        assert_eq!(outcome.stderr, expected);
    }

    #[test]
    fn version_reads_no_input() {
        let outcome = run("", variable("VERSION"), Broken, |_| panic!("nothing to serve"));
        assert_eq!(outcome, succeeded(output::versions()));
    }

    #[test]
    fn add_answers_at_the_version_of_the_configuration_and_others_nothing() {
        let config = r#"{"name": "n", "cniVersion": "1.1.0"}"#;
        for verb in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
            let outcome = run("", variable(verb), config.as_bytes(), |request| {
                Ok(matches!(request, Request::Add(_)).then(AddResult::default))
            });
            let expected = if verb == "ADD" { "{\n    \"cniVersion\": \"1.1.0\"\n}\n" } else { "" };
            assert_eq!((outcome.code, outcome.stdout.as_str()), (0, expected), "{verb}");
        }
    }

    #[test]
    fn every_failure_is_one_object_at_the_version_of_the_configuration() {
        let config = |version| format!(r#"{{"name": "n", "cniVersion": "{version}"}}"#);
        for (version, shown) in [("0.4.0", "0.4.0"), ("1.1.0", "1.1.0"), ("", "0.1.0")] {
            let outcome = run("", variable("ADD"), config(version).as_bytes(), |_| {
                Err(Error::new(Code(100), "taken"))
            });
            assert_eq!(code_of(&outcome), (1, 100, shown.to_owned()));
        }
        // A result that the version cannot say.
        let outcome = run("", variable("ADD"), config("0.2.0").as_bytes(), |_| {
            Ok(Some(AddResult::default()))
        });
        assert_eq!(code_of(&outcome), (1, 1, "0.2.0".to_owned()));
        let unserved = |_: &Request| panic!("nothing to serve");
        let outcome = run("", variable("ADD"), config("7").as_bytes(), unserved);
        assert_eq!(code_of(&outcome), (1, 1, "1.1.0".to_owned()));
        assert_eq!(code_of(&run("", variable("ADD"), Broken, unserved)).1, 5);
        assert_eq!(code_of(&run("", variable("ADD"), io::repeat(b' '), unserved)).1, 6);
        assert_eq!(code_of(&run("", variable("EAT"), Broken, unserved)).1, 4);
    }
}
