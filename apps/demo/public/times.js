/** Shows times in the user's time zone and language. Without JavaScript they stay in UTC. */
const format = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
for (const time of document.querySelectorAll('time[datetime]'))
  time.textContent = format.format(new Date(time.dateTime))
