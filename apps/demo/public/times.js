/** Shows times in the user's time zone, in the language of the page. Without JavaScript they stay in UTC. */
const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: 'medium', timeStyle: 'short' })
for (const time of document.querySelectorAll('time[datetime]'))
  time.textContent = format.format(new Date(time.dateTime))
