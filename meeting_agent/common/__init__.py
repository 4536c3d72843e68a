"""What every part needs: files and who they belong to, settings, text, processes, hardware."""
