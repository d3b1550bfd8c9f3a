//! Generates the client out of the OpenAPI document, anew each time that the document changes.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use progenitor::{GenerationSettings, Generator, HooksMode, InterfaceStyle};
use serde_json::{Map, Value, json};
use syn::{File, ImplItem, Item, Type, UseTree, parse_quote};

const DOCUMENT: &str = "../../openapi/platform.json";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={DOCUMENT}");
    let text = fs::read_to_string(DOCUMENT).map_err(|error| format!("{DOCUMENT}: {error}"))?;
    let mut document = serde_json::from_str(&text)?;
    let mut public = Vec::new();
    for operation in operations(&mut document) {
        one_error(operation);
        tell_need(operation);
        if operation.get("security").is_some_and(|schemes| *schemes == json!([])) {
            public.extend(operation.get("operationId").and_then(Value::as_str).map(str::to_owned));
        }
    }
    let code = generate(document)?;
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("client.rs"), code)?;
    fs::write(Path::new(&out).join("public.rs"), format!("&{public:#?}\n"))?;
    Ok(())
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let items = paths.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut);
    items.flat_map(Map::values_mut).filter_map(Value::as_object_mut)
}

/// Every error of every operation is a `Problem`, which the document's own tests hold; one that
/// does not say so answers in the same way. Progenitor wants to hear it in ranges: `default` it
/// takes for a success as well, and then the two bodies are one too many for it.
fn one_error(operation: &mut Map<String, Value>) {
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
        return;
    };
    responses.retain(|status, _| status.starts_with('2'));
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    let problem =
        json!({ "description": "", "content": { "application/json": { "schema": schema } } });
    responses.insert("4XX".to_owned(), problem.clone());
    responses.insert("5XX".to_owned(), problem);
}

/// Says in words what the operation needs, which no generator reads out of an extension.
fn tell_need(operation: &mut Map<String, Value>) {
    let Some(need) = operation.get("x-required-permission").and_then(Value::as_str) else { return };
    let text = operation.get("description").and_then(Value::as_str).unwrap_or_default();
    let text = format!("{text}\n\nNeeds: `{need}`.").trim().to_owned();
    operation.insert("description".to_owned(), Value::String(text));
}

fn generate(document: Value) -> Result<String, Box<dyn Error>> {
    let mut settings = GenerationSettings::new();
    settings
        // A parameter that an operation gains breaks no caller; progenitor's CLI wants it as well.
        .with_interface(InterfaceStyle::Builder)
        .with_hooks(HooksMode::Expected)
        .with_inner_type("crate::auth::Credential".parse()?);
    let document = serde_json::from_value(document)?;
    let mut file = syn::parse2(Generator::new(&settings).generate_tokens(&document)?)?;
    leave_out(&mut file);
    Ok(prettyplease::unparse(&file))
}

/// Leaves out what `src` has its own of: the constructors, and what puts an id into a path.
fn leave_out(file: &mut File) {
    for item in &mut file.items {
        match item {
            Item::Impl(block) if block.trait_.is_none() && is_client(&block.self_ty) => {
                block.items.retain(|item| !is_constructor(item));
            }
            Item::Use(import) => leave_out_encode_path(&mut import.tree),
            _ => {}
        }
    }
    file.items.push(parse_quote! { use crate::path::encode_path; });
}

fn is_client(of: &Type) -> bool {
    matches!(of, Type::Path(path) if path.path.is_ident("Client"))
}

fn is_constructor(item: &ImplItem) -> bool {
    let ImplItem::Fn(function) = item else { return false };
    function.sig.ident == "new" || function.sig.ident == "new_with_client"
}

fn leave_out_encode_path(tree: &mut UseTree) {
    if let UseTree::Path(path) = tree
        && let UseTree::Group(group) = &mut *path.tree
    {
        let is_it = |name: &UseTree| matches!(name, UseTree::Name(n) if n.ident == "encode_path");
        group.items = std::mem::take(&mut group.items).into_iter().filter(|n| !is_it(n)).collect();
    }
}
