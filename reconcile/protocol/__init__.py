"""How one step is lived: look, intent, send once, fence, look again."""
