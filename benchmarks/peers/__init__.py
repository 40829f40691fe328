"""What people use today, each as the script that is usually written with it."""
