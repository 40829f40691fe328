"""Plans, results and states as text, JSON, Markdown and annotations: functions return strings and print nothing."""
