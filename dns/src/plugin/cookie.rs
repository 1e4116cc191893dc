//! `cookie`: DNS Cookies (RFC 7873), which tell clients from forged addresses.
//!
//! The server answers cookies without this directive too, with a secret of its own: the directive only says
//! otherwise. It holds for the whole server, because a client keeps one cookie for each address of a server, whatever
//! it asks there.

use data_encoding::HEXLOWER_PERMISSIVE;

use super::{arguments, directive};
use crate::cookie::Secret;
use crate::corefile::{CorefileError, Directive, Token};

/// The most secrets: one that makes cookies, and those before and after it.
const MAX_SECRETS: usize = 8;

/// The `cookie` directive of a server block.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CookieConfig {
    /// What cookies are made with.
    pub secrets: CookieSecrets,
    /// Whether clients that send a cookie get an answer over UDP only with one of this server (RFC 7873 §5.2.3).
    pub is_required: bool,
}

/// What cookies are made with.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum CookieSecrets {
    /// A random secret of the process.
    #[default]
    Own,
    /// These; the first makes cookies, and those of each are good.
    Shared(Vec<Secret>),
    /// None: the option is passed over.
    Off,
}

impl CookieConfig {
    /// Reads the `cookie` directive: `cookie [off]`, or with a block of `secret SECRET...` and `require`.
    ///
    /// # Errors
    /// It stands twice, or has something else in it.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut config = Self::default();
        let Some(directive) = directive::only(directives)? else { return Ok(config) };
        if let Some(word) = directive::optional_argument(directive)? {
            arguments::no_block(directive)?;
            if word.text != "off" {
                let text = format!("unknown argument '{}'; there is off", word.text);
                return Err(word.error(text));
            }
            return Ok(Self { secrets: CookieSecrets::Off, ..config });
        }
        for line in directive.lines() {
            arguments::no_block(line)?;
            match line.name.text.as_str() {
                "secret" => {
                    let secrets = arguments::some(line)?.iter().map(secret);
                    let secrets: Vec<Secret> = secrets.collect::<Result<_, _>>()?;
                    if secrets.len() > MAX_SECRETS {
                        let text = format!("more than {MAX_SECRETS} secrets; remove the oldest");
                        return Err(line.error(text));
                    }
                    config.secrets = CookieSecrets::Shared(secrets);
                }
                "require" => {
                    arguments::none(line)?;
                    config.is_required = true;
                }
                _ => return Err(directive::unknown_option(line, "secret and require")),
            }
        }
        if config.is_required && config.secrets == CookieSecrets::Own {
            return Err(directive.error(
                "require needs the secret that all servers behind the address share, or clients go from one to the \
                 other in vain; add 'secret SECRET', 32 hexadecimal digits",
            ));
        }
        Ok(config)
    }
}

/// Reads 32 hexadecimal digits. The error does not repeat them: they are a secret.
fn secret(token: &Token) -> Result<Secret, CorefileError> {
    let octets = HEXLOWER_PERMISSIVE.decode(token.text.as_bytes()).ok();
    octets.and_then(|octets| octets.try_into().ok()).ok_or_else(|| {
        token.error("a secret has 32 hexadecimal digits; make one with 'openssl rand -hex 16'")
    })
}

/// Keeps secrets out of logs.
impl std::fmt::Debug for CookieSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own => f.write_str("Own"),
            Self::Shared(secrets) => write!(f, "Shared({} secrets)", secrets.len()),
            Self::Off => f.write_str("Off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    const ONE: &str = "000102030405060708090a0b0c0d0e0f";

    #[test]
    fn secrets() {
        let parse = |text: &str| configure(text, CookieConfig::parse).unwrap();
        assert_eq!(parse("cookie"), CookieConfig::default());
        assert_eq!(parse("cookie off").secrets, CookieSecrets::Off);
        let one = CookieSecrets::Shared(vec![std::array::from_fn(|at| u8::try_from(at).unwrap())]);
        assert_eq!(parse(&format!("cookie {{\nsecret {ONE}\n}}")).secrets, one);
        let both = parse(&format!("cookie {{\nsecret {ONE} {}\nrequire\n}}", "Ff".repeat(16)));
        let CookieSecrets::Shared(secrets) = &both.secrets else { panic!("{both:?}") };
        assert_eq!((secrets.len(), secrets[1], both.is_required), (2, [0xff; 16], true));
        assert!(!format!("{both:?}").contains("255"));
    }

    #[test]
    fn mistakes() {
        let many = format!("cookie {{\nsecret{}\n}}", format!(" {ONE}").repeat(9));
        assert_refused(
            CookieConfig::parse,
            &[
                ("cookie on", "unknown argument 'on'; there is off"),
                ("cookie off {\n}", "remove the braces"),
                ("cookie {\nsecret 0011\n}", "a secret has 32 hexadecimal digits"),
                ("cookie {\nsecret\n}", "needs at least one argument"),
                (&many, "more than 8 secrets"),
                ("cookie {\nrequire\n}", "add 'secret SECRET'"),
                ("cookie {\nrequire yes\n}", "remove 'yes'"),
                ("cookie {\nkey 1\n}", "unknown property 'key'; there is secret and require"),
                ("cookie\ncookie", "only be used once"),
            ],
        );
    }
}
