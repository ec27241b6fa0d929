// The card of a product is loaded again when something of it has changed; one stream serves all cards.
document.addEventListener("live", (event) => {
  const name = event.detail.data?.productChanged?.product.name;
  const card = name && document.getElementById(`card-${name}`);
  if (card) htmx.trigger(card.querySelector(".product-figures"), "figures");
});
