//! Expressions back to statements.

use crate::expression::{CmpOp, Expression};
use crate::lower::{is_version, load_field, lower, trace, words};
use crate::{Comparison, Field, Limit, Log, Quoted, Statement, TimeUnit, Value};

/// Translates the expressions of a rule back; none when no statements give exactly these expressions, counts aside.
pub(crate) fn lift(expressions: &[Expression]) -> Option<Vec<Statement>> {
    let mut rest = expressions;
    let mut statements = Vec::new();
    while !rest.is_empty() {
        if let [first, second, behind @ ..] = rest
            && is_version(first, second)
        {
            rest = behind;
            continue;
        }
        let (statement, behind) = lift_one(rest)?;
        statements.push(statement);
        rest = behind;
    }
    let uncounted = |expression: &Expression| match expression {
        Expression::Counter { .. } => Expression::Counter { packets: 0, octets: 0 },
        other => other.clone(),
    };
    let uncounted: Vec<Expression> = expressions.iter().map(uncounted).collect();
    (lower(&statements) == uncounted).then_some(statements)
}

/// Translates the expressions of one statement, and returns those behind it.
fn lift_one(expressions: &[Expression]) -> Option<(Statement, &[Expression])> {
    let (first, behind) = expressions.split_first()?;
    let statement = match first {
        Expression::Counter { .. } => Statement::Counter,
        Expression::NoTrack => Statement::NoTrack,
        Expression::Load { .. } => {
            let behind = expressions.strip_prefix(&trace())?;
            return Some((Statement::Trace, behind));
        }
        Expression::SetMeta { .. } => return None,
        Expression::Immediate { verdict } => Statement::Verdict(verdict.clone()),
        Expression::Limit { rate, unit, burst } => {
            let units = [TimeUnit::Second, TimeUnit::Minute, TimeUnit::Hour];
            let per = units.into_iter().find(|per| per.seconds() == *unit)?;
            Statement::Limit(Limit { rate: *rate, per, burst: *burst })
        }
        Expression::Log { group, snaplen, prefix } => {
            let prefix = Quoted::new(prefix).ok()?;
            Statement::Log(Log { group: *group, snaplen: *snaplen, prefix })
        }
        Expression::Meta { .. } | Expression::Payload { .. } | Expression::Ct { .. } => {
            let (fields, behind) = lift_fields(expressions);
            return lift_test(fields, behind);
        }
        Expression::Cmp { .. } | Expression::Mask { .. } => return None,
        Expression::Lookup { .. } | Expression::LookupVerdict { .. } => return None,
    };
    Some((statement, behind))
}

/// Returns the fields that are loaded in a row.
fn lift_fields(mut expressions: &[Expression]) -> (Vec<Field>, &[Expression]) {
    let mut fields = Vec::new();
    let mut word = 0;
    while let Some((first, behind)) = expressions.split_first()
        && let Some(field) = Field::ALL.into_iter().find(|field| load_field(*field, word) == *first)
    {
        fields.push(field);
        word += words(field.data_type());
        expressions = behind;
    }
    (fields, expressions)
}

/// Translates what is asked of fields.
fn lift_test(fields: Vec<Field>, expressions: &[Expression]) -> Option<(Statement, &[Expression])> {
    let (first, behind) = expressions.split_first()?;
    match (first, fields.as_slice()) {
        (Expression::Lookup { set, is_inverted: false }, [_, ..]) => {
            Some((Statement::Lookup { key: fields, set: set.clone() }, behind))
        }
        (Expression::Lookup { set, is_inverted: true }, [_, ..]) => {
            Some((Statement::LookupNot { key: fields, set: set.clone() }, behind))
        }
        (Expression::LookupVerdict { map }, [_, ..]) => {
            Some((Statement::VerdictMap { key: fields, map: map.clone() }, behind))
        }
        (_, [field]) => {
            let (comparison, behind) = lift_comparison(*field, expressions)?;
            Some((Statement::Compare { field: *field, comparison }, behind))
        }
        _ => None,
    }
}

fn lift_comparison(
    field: Field,
    expressions: &[Expression],
) -> Option<(Comparison, &[Expression])> {
    let value = |octets: &[u8]| Value::from_octets(field.data_type(), octets);
    match expressions {
        [Expression::Cmp { op: CmpOp::Eq, octets }, behind @ ..] => {
            Some((Comparison::Is(value(octets)?), behind))
        }
        [Expression::Cmp { op: CmpOp::Neq, octets }, behind @ ..] => {
            Some((Comparison::IsNot(value(octets)?), behind))
        }
        [
            Expression::Cmp { op: CmpOp::Gte, octets: first },
            Expression::Cmp { op: CmpOp::Lte, octets: last },
            behind @ ..,
        ] => Some((Comparison::Between(value(first)?, value(last)?), behind)),
        [Expression::Mask { octets }, Expression::Cmp { op: CmpOp::Neq, .. }, behind @ ..] => {
            Some((Comparison::AnyBit(value(octets)?), behind))
        }
        [Expression::Mask { octets }, Expression::Cmp { op: CmpOp::Eq, .. }, behind @ ..] => {
            Some((Comparison::NoBit(value(octets)?), behind))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::{Attributes, find};
    use crate::{CtState, sample};

    #[test]
    fn every_statement_comes_back_from_its_octets() {
        let ruleset = sample::everything();
        let rules = ruleset.chains.values().flat_map(|chain| &chain.rules);
        let mut lifted = 0;
        for rule in rules {
            let expressions = lower(&rule.statements);
            for expression in &expressions {
                let mut octets = Attributes::default();
                octets.nested(1, |to| expression.write(to));
                let octets = octets.finish();
                assert_eq!(Expression::read(find(&octets, 1).unwrap()).as_ref(), Some(expression));
            }
            assert_eq!(lift(&expressions), Some(rule.statements.clone()), "{rule}");
            lifted += 1;
        }
        assert!(lifted > 20, "the sample has rules");
    }

    #[test]
    fn what_no_statement_gives_is_not_taken_for_one() {
        let is = |value| Expression::Cmp { op: CmpOp::Eq, octets: vec![value] };
        let version = || Expression::Meta { key: crate::uapi::expression::META_NFPROTO, word: 0 };
        let source = load_field(Field::Ip4Source, 0);
        let lookup = Expression::Lookup { set: sample::name("s"), is_inverted: false };
        for foreign in [
            vec![is(2)],
            vec![version(), is(2)],
            vec![source.clone(), lookup.clone()],
            vec![version(), is(10), source.clone(), lookup.clone()],
            vec![version(), is(2), source, version(), is(2), lookup.clone()],
            vec![load_field(Field::Protocol, 1), lookup],
            vec![
                load_field(Field::Protocol, 0),
                Expression::Cmp { op: CmpOp::Gte, octets: vec![1] },
            ],
        ] {
            assert_eq!(lift(&foreign), None, "{foreign:?}");
        }
    }

    #[test]
    fn counts_are_no_part_of_a_rule() {
        let counted = [Expression::Counter { packets: 5, octets: 300 }];
        assert_eq!(lift(&counted), Some(vec![Statement::Counter]));
        let state = Statement::is(Field::CtState, CtState::NEW.value());
        assert_eq!(lift(&lower(std::slice::from_ref(&state))), Some(vec![state]));
    }
}
