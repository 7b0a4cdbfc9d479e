//! What variables come to, and who may see them.

use murder::recipe::{FrameId, Secrets};

use super::*;

/// What a template comes to, with these variables beside it.
fn value(vars: &str, template: &str) -> serde_json::Value {
    let text = format!("description: x\nvars:\n  {vars}\n  it: \"{template}\"\nsteps: []\n");
    let (script, _) = expand(&[("recipes/x.yaml", &text)], "x");
    script.scope(FrameId::ROOT, &given(ours())).value("it").unwrap().unwrap()
}

#[test]
fn an_expression_alone_keeps_its_type_and_anything_else_is_text() {
    assert_eq!(value("n: 5", "{{ n }}"), json!(5));
    assert_eq!(value("b: true", "{{ b }}"), json!(true));
    assert_eq!(value("n: [a, '{{ host }}']", "{{ n }}"), json!(["a", "web1"]));
    assert_eq!(value("n: { a: [1] }", " {{- n.a -}} "), json!([1]));
    assert_eq!(value("n: 5", "{{ n }}%"), json!("5%"));
    assert_eq!(value("b: true", "{{ b }} {{ not b }}"), json!("true false"));
    assert_eq!(value("n: 5", "{{ n }}{{ n }}"), json!("55"));
    assert_eq!(value("n: 5", "{{ n - 1 }}"), json!(4));
    assert_eq!(value("n: 5", "${{ '{#' }}n}"), json!("${#n}"));
    assert_eq!(value("n: '007'", "{{ n }}"), json!("007"));
}

#[test]
fn a_variable_is_rendered_only_where_it_is_asked_for() {
    assert_eq!(value("bad: '{{ nowhere }}'", "{{ host if true else bad }}"), json!("web1"));
    assert_eq!(value("a: 1", "{{ nowhere is defined }}"), json!(false));
    assert_eq!(value("a: 1", "{{ nowhere | default(a) }}"), json!(1));
    assert_eq!(value("a: 1", "{{ env('TOKEN') }}{{ env('NONE', '!') }}"), json!("t0ken!"));
}

#[test]
fn a_recipe_that_is_called_sees_with_and_then_its_callers_variables() {
    let outer = "
description: x
vars: { a: outer, b: outer, d: outer }
steps:
  - task: inner
    with: { a: \"with {{ a }}\", release: \"{{ release }}-{{ c | default('none') }}\" }
  - run: [\"{{ a }}\"]
hooks: { before: { warm: [{ run: [\"{{ a }}\", hook] }] } }
";
    let inner = "
description: x
vars: { a: inner, b: inner, c: \"{{ a }}/{{ b }}\" }
steps:
  - run: [\"{{ a }}\", \"{{ b }}\", \"{{ c }}\", \"{{ d }}\", \"{{ release }}\"]
  - task: warm
hooks: { before: { warm: [{ run: [\"{{ a }}\", inner] }] } }
";
    let files = [("recipes/outer.yaml", outer), ("recipes/inner.yaml", inner)];
    let (script, lines) = expand(&files, "outer");
    let first = "with outer outer with outer/outer outer 20261125103000-none";
    assert_eq!(lines, [first, "outer hook", "with outer inner", "warm", "outer"]);
    let recipes: Vec<_> = script.actions().map(|action| action.recipe.as_str()).collect();
    assert_eq!(recipes, ["inner", "outer", "inner", "inner", "outer"]);
}

#[test]
fn the_command_line_comes_before_the_host_and_that_before_the_recipe() {
    let text = "
description: x
vars: { a: recipe, b: recipe, c: recipe }
steps: [{ run: [\"{{ a }}\", \"{{ b }}\", \"{{ c }}\"] }]
";
    let (script, _) = expand(&[("recipes/x.yaml", text)], "x");
    let layer = |values: serde_json::Value| given(values).layers.remove(0);
    let mut given = given(json!({}));
    given.layers = vec![layer(json!({"a": "typed"})), layer(json!({"a": "host", "b": "host"}))];
    assert_eq!(lines(&script, &given), ["typed host recipe"]);
}

#[test]
fn what_is_typed_has_the_type_of_its_default() {
    let text = "
description: x
no_log: [n]
vars: { n: 5, b: false, l: [a], t: x, m: { a: 1 } }
steps: []
";
    let (script, _) = expand(&[("recipes/x.yaml", text)], "x");
    assert_eq!(script.typed("n", "3").unwrap(), json!(3));
    assert_eq!(script.typed("b", "yes").unwrap(), json!(true));
    assert_eq!(script.typed("l", "b, c,").unwrap(), json!(["b", "c"]));
    assert_eq!(script.typed("t", "5").unwrap(), json!("5"));
    assert_eq!(script.typed("other", "5").unwrap(), json!("5"));
    let said = script.typed("n", "many").unwrap_err().to_string();
    assert!(said.starts_with("n=***: expected a number, as "), "{said}");
    assert!(said.ends_with("x.yaml:4:9 has it"), "{said}");
    assert!(script.typed("m", "x").is_err() && script.typed("b", "2").is_err());
}

#[test]
fn a_template_knows_the_variables_behind_its_variables() {
    let text = "
description: x
vars: { deploy_to: /srv, a: \"{{ b }}\", b: [\"{{ host }}\", \"{{ env('TOKEN') }}\"] }
steps: [{ run: [\"{{ a }}\", \"{{ release_path }}\"] }]
";
    let (script, _) = expand(&[("recipes/x.yaml", text)], "x");
    let action = script.actions().next().unwrap();
    let scope = script.scope(action.frame, &given(ours()));
    let reads = action.step.templates().into_iter().map(|template| scope.reads(template));
    let reads: Vec<Vec<String>> = reads.map(|names| names.into_iter().collect()).collect();
    assert_eq!(reads, [["a", "b", "host"], ["deploy_to", "release", "release_path"]]);
}

#[test]
fn quoted_words_come_back_from_a_shell_as_they_were() {
    let words = ["plain", "", "it's", "a b;$c`d`\\ \"e\" *\n!", "-n", "~x", "é"];
    let mut values = ours();
    values["words"] = json!(words);
    let text = "description: x\nsteps: [{ run: \"printf '%s|' {{ words | quote }}\" }]\n";
    let (_folder, book) = project(&[("recipes/x.yaml", text)]);
    let script = Script::expand(&book, "x").unwrap();
    let line = lines(&script, &given(values)).remove(0);
    let line = line.strip_prefix("sh: ").unwrap();
    let output = std::process::Command::new("sh").args(["-c", line]).output().unwrap();
    let expected: String = words.iter().map(|word| format!("{word}|")).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn secrets_are_masked_whatever_they_are_made_of() {
    let text = "
description: x
no_log: [token, keys]
vars: { token: \"{{ env('TOKEN') }}\", keys: [\"a{{ host }}\", 4711] }
steps: []
";
    let (script, _) = expand(&[("recipes/x.yaml", text)], "x");
    let mut other = ours();
    other["host"] = json!("web22");
    let secrets = Secrets::default();
    script.hide([&given(ours()), &given(other)], &secrets).unwrap();
    assert_eq!(secrets.mask("t0ken aweb1 aweb22 4711 web1"), "*** *** *** *** web1");
}

#[test]
fn one_secret_that_fails_leaves_the_others_secret() {
    let text = "description: x\nno_log: [a, b, c]\nvars: { a: s3cret, b: \"{{ nowhere }}\", c: hidden }\n\
                steps: []\n";
    let (script, _) = expand(&[("recipes/x.yaml", text)], "x");
    let secrets = Secrets::default();
    assert!(script.hide([&given(ours())], &secrets).is_err());
    assert_eq!(secrets.mask("s3cret hidden"), "*** ***");
}

#[test]
fn a_step_needs_whatever_its_templates_are_made_of() {
    let text = "
description: x
vars: { deploy_to: \"/srv/{{ rack }}\", a: [\"{{ b }}\"], b: \"{{ host }}\" }
steps:
  - { run: [ls, \"{{ shared_path }}\"], when: \"{{ 'x' in flags }}\" }
  - { run: [echo, \"{{ a }}\", \"{{ tag }}\"] }
  - switch: {}
  - { task: inner, with: { c: \"{{ a }}\" } }
";
    let inner = "description: x\nsteps: [{ run: [\"{{ c }}\"] }]\n";
    let files = [("recipes/x.yaml", text), ("recipes/inner.yaml", inner)];
    let (_folder, book) = project(&files);
    let script = Script::expand(&book, "x").unwrap();
    let needs = script.actions().map(|action| script.needs(action).into_iter().collect());
    let needs: Vec<Vec<&str>> = needs.collect();
    assert_eq!(needs[0], ["deploy_to", "flags", "rack", "shared_path"]);
    assert_eq!(needs[1], ["a", "application", "b", "host", "release", "tag"]);
    assert_eq!(needs[2], ["deploy_to", "rack", "release"]);
    assert_eq!(needs[3], ["a", "b", "c", "host"]);
}

#[test]
fn a_distribution_is_named_after_the_application_and_the_release() {
    let (script, _) = expand(&[("recipes/x.yaml", "description: x\nsteps: []\n")], "x");
    let tag = |values: serde_json::Value| {
        script.scope(FrameId::ROOT, &given(values)).value("tag").unwrap().unwrap()
    };
    assert_eq!(tag(json!({"application": "shop", "release": "r1"})), json!("shop-r1"));
    assert_eq!(tag(json!({"application": "", "release": "r1"})), json!("r1"));
    assert_eq!(tag(json!({"release": 7})), json!("7"));
}

#[test]
fn what_looks_at_a_group_has_its_own_condition_and_silence() {
    let text = "
description: x
steps:
  - switch: { health: [{ run: [a], when: \"{{ 'x' in flags }}\" }, { run: [b], no_log: true }] }
    when: true
";
    let (script, _) = expand(&[("recipes/x.yaml", text)], "x");
    let health = script.actions().next().unwrap().health();
    let seen: Vec<_> = health.iter().map(|step| (step.guards.len(), step.no_log)).collect();
    assert_eq!(seen, [(2, false), (1, true)]);
}
