// Filters the list of cases. The page is whole without it: the browser's own search opens a
// closed case that holds the words.
const form = document.querySelector(".filter");
const cases = [...document.querySelectorAll(".all .case")];
const words = cases.map((each) => each.textContent.toLowerCase());
const kind = form.querySelector("select");
const search = form.querySelector("input");
const count = form.querySelector("output");
function filter() {
  const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  cases.forEach((each, number) => {
    const fits = (!kind.value || each.classList.contains(kind.value))
      && wanted.every((word) => words[number].includes(word));
    each.hidden = !fits;
    shown += fits;
  });
  count.textContent = `${shown} of ${cases.length} cases`;
}
form.addEventListener("input", filter);
form.addEventListener("change", filter);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
filter();
