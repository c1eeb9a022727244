// Sends the form of a page whose only purpose is to be sent on.
document.querySelector("form[data-auto]")?.submit();
