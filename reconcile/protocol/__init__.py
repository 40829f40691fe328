"""The life of one step: look, intent, send once, fence, look again."""
