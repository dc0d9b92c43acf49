//! The statement that defines a function, found in the scripts of a catalog: what somebody at
//! night has at hand is this program, not its sources.
//!
//! It understands the few shapes that migrations use, a body between `$$` or a `RETURN`, and
//! answers `None` for all else: what it finds is shown to a person, never run.

/// The last definition of `schema.name(type,type)` in `scripts`, as CREATE OR REPLACE.
pub(super) fn definition(scripts: &[&str], signature: &str) -> Option<String> {
    let (name, types) = signature.strip_suffix(')')?.split_once('(')?;
    let statement = scripts
        .iter()
        .flat_map(|script| statements(script, name))
        .rfind(|statement| parameter_types(statement).as_deref() == Some(types))?;
    let (_, rest) = statement.split_once('(')?;
    Some(format!("CREATE OR REPLACE FUNCTION {name}({rest}"))
}

/// Every CREATE FUNCTION of this name, to its semicolon. A script may leave the schema out.
fn statements<'a>(script: &'a str, name: &str) -> Vec<&'a str> {
    let bare = name.strip_prefix("public.").unwrap_or(name);
    let mut found = Vec::new();
    for start in ["CREATE FUNCTION ", "CREATE OR REPLACE FUNCTION "] {
        let mut rest = script;
        while let Some(at) = rest.find(&format!("\n{start}{bare}(")) {
            let (_, statement) = rest.split_at(at + 1);
            let end = match statement.find("$$") {
                Some(body) if !closes_before(statement, body) => {
                    statement.match_indices("$$;").next().map(|(at, _)| at + 3)
                }
                _ => statement.find(";\n").map(|at| at + 1),
            };
            let Some((statement, after)) = end.and_then(|end| statement.split_at_checked(end))
            else {
                break;
            };
            found.push(statement);
            rest = after;
        }
    }
    found
}

/// Whether a statement has ended before `body`.
fn closes_before(statement: &str, body: usize) -> bool {
    statement.find(";\n").is_some_and(|end| end < body)
}

/// `a uuid, b int DEFAULT 1` is `uuid,integer`, as a signature has it.
fn parameter_types(statement: &str) -> Option<String> {
    let (_, after) = statement.split_once('(')?;
    let parameters = after.split_once(')')?.0;
    let types: Vec<String> = parameters
        .split(", ")
        .flat_map(|line| line.split(",\n"))
        .map(|parameter| {
            let declared = parameter.split(" DEFAULT ").next().unwrap_or_default();
            let words: Vec<&str> = declared.split_whitespace().skip(1).collect();
            words.join(" ")
        })
        .map(|word| match word.as_str() {
            "int" => "integer".to_owned(),
            "timestamptz" => "timestamp with time zone".to_owned(),
            _ => word,
        })
        .collect();
    Some(types.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPTS: [&str; 2] = [
        "\nCREATE FUNCTION f(a uuid) RETURNS int\nLANGUAGE sql\nRETURN 1;\n\
         CREATE FUNCTION f(a int, b text[] DEFAULT '{x,y}') RETURNS int LANGUAGE plpgsql AS $$\nBEGIN;\nEND\n$$;\n\
         CREATE FUNCTION s.g() RETURNS void LANGUAGE plpgsql AS $$ one $$;\n",
        "\nCREATE OR REPLACE FUNCTION s.g() RETURNS void LANGUAGE plpgsql AS $$ two $$;\n",
    ];

    #[test]
    fn the_last_definition_of_the_same_parameters_counts() {
        assert_eq!(
            definition(&SCRIPTS, "s.g()").unwrap(),
            "CREATE OR REPLACE FUNCTION s.g() RETURNS void LANGUAGE plpgsql AS $$ two $$;"
        );
        assert_eq!(
            definition(&SCRIPTS, "public.f(uuid)").unwrap(),
            "CREATE OR REPLACE FUNCTION public.f(a uuid) RETURNS int\nLANGUAGE sql\nRETURN 1;"
        );
        assert!(
            definition(&SCRIPTS, "public.f(integer,text[])")
                .unwrap()
                .ends_with("END\n$$;")
        );
        assert_eq!(definition(&SCRIPTS, "s.h()"), None);
        assert_eq!(definition(&SCRIPTS, "public.f(text)"), None);
    }
}
