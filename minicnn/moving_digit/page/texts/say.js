// A text of the page with its values: say("stage.empty", { best: "3" }). All texts stand in texts/texts.toml, and the
// page has those of its language. They are shown by textContent, never as markup.
const texts = JSON.parse(document.getElementById("texts").textContent);
function say(key, values = {}) {
  if (!(key in texts)) throw new Error(`texts.toml has no ${key}`);
  return texts[key].replace(/\{(\w+)\}/g, (_, name) => {
    if (!(name in values)) throw new Error(`${key} needs a value for {${name}}`);
    return values[name];
  });
}
